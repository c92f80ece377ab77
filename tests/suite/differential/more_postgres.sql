-- Nullable columns, a cascade, a trigger and a view besides the shop.
CREATE TABLE reviews (id bigint PRIMARY KEY, product_id bigint REFERENCES products (id), body text, rating double precision);
CREATE TABLE campaigns (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE notices (id bigint PRIMARY KEY, campaign_id bigint REFERENCES campaigns (id) ON DELETE CASCADE, body text NOT NULL);
CREATE TABLE deliveries (id bigint PRIMARY KEY, product_id bigint NOT NULL, quantity bigint NOT NULL);
CREATE FUNCTION delivered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE products SET stock = stock + NEW.quantity WHERE id = NEW.product_id;
    RETURN NEW;
END $$;
CREATE TRIGGER delivered AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION delivered();
CREATE VIEW paid AS SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'paid';
CREATE TABLE shifting (a bigint);
