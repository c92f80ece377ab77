-- Nullable columns, a cascade, a trigger and a view besides the shop.
CREATE TABLE reviews (id BIGINT PRIMARY KEY, product_id BIGINT, body TEXT, rating DOUBLE, FOREIGN KEY (product_id) REFERENCES products (id));
CREATE TABLE campaigns (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE notices (
    id BIGINT PRIMARY KEY, campaign_id BIGINT, body TEXT NOT NULL, FOREIGN KEY (campaign_id) REFERENCES campaigns (id) ON DELETE CASCADE
);
CREATE TABLE deliveries (id BIGINT PRIMARY KEY, product_id BIGINT NOT NULL, quantity BIGINT NOT NULL);
CREATE TRIGGER delivered AFTER INSERT ON deliveries FOR EACH ROW UPDATE products SET stock = stock + NEW.quantity WHERE id = NEW.product_id;
CREATE VIEW paid AS SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'paid';
CREATE TABLE shifting (a BIGINT);
