-- What one table's writes change in others: every price that a product had, and what orders come to.
CREATE TABLE price_changes (
    id         INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL,
    old_cents  INTEGER NOT NULL,
    new_cents  INTEGER NOT NULL
);

CREATE TRIGGER price_changed AFTER UPDATE OF price_cents ON products WHEN new.price_cents <> old.price_cents BEGIN
    INSERT INTO price_changes (product_id, old_cents, new_cents) VALUES (old.id, old.price_cents, new.price_cents);
END;

CREATE VIEW order_totals AS
SELECT o.id, o.user_id, o.status, SUM(i.quantity * i.price_cents) AS total_cents
FROM orders o JOIN order_items i ON i.order_id = o.id
GROUP BY o.id, o.user_id, o.status;

-- A view of a view.
CREATE VIEW customers AS
SELECT u.id, u.name, SUM(t.total_cents) AS spent_cents
FROM users u JOIN order_totals t ON t.user_id = u.id
WHERE t.status <> 'new'
GROUP BY u.id, u.name;
