-- Nullable columns, a cascade, a trigger and a view besides the shop.
CREATE TABLE reviews (id INTEGER PRIMARY KEY, product_id INTEGER REFERENCES products (id), body TEXT, rating REAL);
CREATE TABLE campaigns (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE notices (id INTEGER PRIMARY KEY, campaign_id INTEGER REFERENCES campaigns (id) ON DELETE CASCADE, body TEXT NOT NULL);
CREATE TABLE deliveries (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL, quantity INTEGER NOT NULL);
CREATE TRIGGER delivered AFTER INSERT ON deliveries BEGIN
    UPDATE products SET stock = stock + NEW.quantity WHERE id = NEW.product_id;
END;
CREATE VIEW paid AS SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'paid';
CREATE TABLE shifting (a INTEGER);
