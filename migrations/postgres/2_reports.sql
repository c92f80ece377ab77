-- What one table's writes change in others: every price that a product had, what orders come to, and visits, kept by the month.
CREATE TABLE price_changes (
    id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    old_cents  bigint NOT NULL,
    new_cents  bigint NOT NULL
);

CREATE FUNCTION note_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price_changes (product_id, old_cents, new_cents) VALUES (OLD.id, OLD.price_cents, NEW.price_cents);
    RETURN NULL;
END $$;

CREATE TRIGGER price_changed AFTER UPDATE OF price_cents ON products
    FOR EACH ROW WHEN (NEW.price_cents <> OLD.price_cents) EXECUTE FUNCTION note_price();

CREATE VIEW order_totals AS
SELECT o.id, o.user_id, o.status, SUM(i.quantity * i.price_cents)::bigint AS total_cents
FROM orders o JOIN order_items i ON i.order_id = o.id
GROUP BY o.id, o.user_id, o.status;

-- A view of a view.
CREATE VIEW customers AS
SELECT u.id, u.name, SUM(t.total_cents)::bigint AS spent_cents
FROM users u JOIN order_totals t ON t.user_id = u.id
WHERE t.status <> 'new'
GROUP BY u.id, u.name;

CREATE TABLE visits (
    product_id bigint NOT NULL,
    day        date NOT NULL,
    visitors   bigint NOT NULL
) PARTITION BY RANGE (day);

CREATE TABLE visits_2026_01 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE visits_2026_02 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
