-- A shop: who buys, what there is, and what was ordered. Who deletes a user deletes the orders, and so their items.
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped');

CREATE TABLE users (
    id         bigint PRIMARY KEY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE products (
    id          bigint PRIMARY KEY,
    name        text NOT NULL,
    category    text NOT NULL,
    price_cents bigint NOT NULL,
    stock       bigint NOT NULL
);

CREATE TABLE orders (
    id         bigint PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status     order_status NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE order_items (
    id          bigint PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id  bigint NOT NULL REFERENCES products (id),
    quantity    bigint NOT NULL,
    price_cents bigint NOT NULL
);

CREATE INDEX products_category ON products (category);
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX order_items_order ON order_items (order_id);
CREATE INDEX order_items_product ON order_items (product_id);
