-- 2,000 users, 500 products, 50,000 orders, 150,000 order items: the same ones every time.
INSERT INTO users (id, name, email, created_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
SELECT i, 'User ' || i, 'user' || i || '@example.com', datetime('2026-01-01', '+' || i || ' minutes') FROM n;

INSERT INTO products (id, name, category, price_cents, stock)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
SELECT i, 'Product ' || i, json_extract('["books", "coffee", "music", "tools", "toys"]', '$[' || (i % 5) || ']'), 500 + i * 37 % 9000, 100 + i % 50 FROM n;

-- 25 orders of each user.
INSERT INTO orders (id, user_id, status, created_at)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49999)
SELECT i + 1, i % 2000 + 1, json_extract('["new", "paid", "shipped"]', '$[' || (i % 3) || ']'), datetime('2026-02-01', '+' || i || ' minutes') FROM n;

-- 3 items of each order.
INSERT INTO order_items (id, order_id, product_id, quantity, price_cents)
WITH k (i) AS (VALUES (0), (1), (2))
SELECT o.id * 3 + k.i, o.id, p.id, (o.id + k.i) % 5 + 1, p.price_cents
FROM orders o CROSS JOIN k JOIN products p ON p.id = (o.id * 7 + k.i * 13) % 500 + 1;
