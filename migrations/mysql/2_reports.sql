-- What one table's writes change in others: every price that a product had, and what orders come to.
CREATE TABLE price_changes (
    id         BIGINT PRIMARY KEY AUTO_INCREMENT,
    product_id BIGINT NOT NULL,
    old_cents  BIGINT NOT NULL,
    new_cents  BIGINT NOT NULL
) ENGINE = InnoDB;

CREATE TRIGGER price_changed AFTER UPDATE ON products FOR EACH ROW
IF NEW.price_cents <> OLD.price_cents THEN
    INSERT INTO price_changes (product_id, old_cents, new_cents) VALUES (OLD.id, OLD.price_cents, NEW.price_cents);
END IF;

CREATE VIEW order_totals AS
SELECT o.id, o.user_id, o.status, CAST(SUM(i.quantity * i.price_cents) AS SIGNED) AS total_cents
FROM orders o JOIN order_items i ON i.order_id = o.id
GROUP BY o.id, o.user_id, o.status;

-- A view of a view.
CREATE VIEW customers AS
SELECT u.id, u.name, CAST(SUM(t.total_cents) AS SIGNED) AS spent_cents
FROM users u JOIN order_totals t ON t.user_id = u.id
WHERE t.status <> 'new'
GROUP BY u.id, u.name;
