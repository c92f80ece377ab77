-- 2,000 users, 500 products, 50,000 orders, 150,000 order items: the same ones every time.
INSERT INTO users (id, name, email, created_at)
WITH digit AS (SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9),
     n AS (SELECT 1 + a.d + b.d * 10 + c.d * 100 + d.d * 1000 AS i FROM digit a, digit b, digit c, digit d WHERE d.d < 2)
SELECT i, CONCAT('User ', i), CONCAT('user', i, '@example.com'), '2026-01-01' + INTERVAL i MINUTE FROM n;

INSERT INTO products (id, name, category, price_cents, stock)
SELECT id, CONCAT('Product ', id), ELT(id % 5 + 1, 'books', 'coffee', 'music', 'tools', 'toys'), 500 + id * 37 % 9000, 100 + id % 50 FROM users WHERE id <= 500;

-- 25 orders of each user.
INSERT INTO orders (id, user_id, status, created_at)
SELECT u.id + k.i * 2000, u.id, ELT((u.id + k.i * 2000 - 1) % 3 + 1, 'new', 'paid', 'shipped'), '2026-02-01' + INTERVAL (u.id + k.i * 2000 - 1) MINUTE
FROM users u CROSS JOIN (SELECT id - 1 AS i FROM users WHERE id <= 25) k;

-- 3 items of each order.
INSERT INTO order_items (id, order_id, product_id, quantity, price_cents)
SELECT o.id * 3 + k.i, o.id, p.id, (o.id + k.i) % 5 + 1, p.price_cents
FROM orders o CROSS JOIN (SELECT 0 AS i UNION SELECT 1 UNION SELECT 2) k JOIN products p ON p.id = (o.id * 7 + k.i * 13) % 500 + 1;
