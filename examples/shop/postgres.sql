-- 2,000 users, 500 products, 50,000 orders, 150,000 order items: the same ones every time.
INSERT INTO users (id, name, email, created_at)
SELECT i, 'User ' || i, 'user' || i || '@example.com', timestamptz '2026-01-01 00:00:00+00' + i * interval '1 minute'
FROM generate_series(1, 2000) AS n (i);

INSERT INTO products (id, name, category, price_cents, stock)
SELECT i, 'Product ' || i, (ARRAY['books', 'coffee', 'music', 'tools', 'toys'])[i % 5 + 1], 500 + i * 37 % 9000, 100 + i % 50
FROM generate_series(1, 500) AS n (i);

-- 25 orders of each user.
INSERT INTO orders (id, user_id, status, created_at)
SELECT i + 1, i % 2000 + 1, (ARRAY['new', 'paid', 'shipped']::order_status[])[i % 3 + 1], timestamptz '2026-02-01 00:00:00+00' + i * interval '1 minute'
FROM generate_series(0, 49999) AS n (i);

-- 3 items of each order.
INSERT INTO order_items (id, order_id, product_id, quantity, price_cents)
SELECT o.id * 3 + k, o.id, p.id, (o.id + k) % 5 + 1, p.price_cents
FROM orders o CROSS JOIN generate_series(0, 2) AS k JOIN products p ON p.id = (o.id * 7 + k * 13) % 500 + 1;

-- Without statistics the planner guesses, and the cache would look better than it is.
ANALYZE users;
ANALYZE products;
ANALYZE orders;
ANALYZE order_items;
