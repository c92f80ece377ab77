// What the recipes in `how_to.rs` take for granted, for their doctests alone.

#[allow(dead_code)]
type Tested = Result<(), Box<dyn std::error::Error>>;

/// A shop's database, in a directory that goes with the second one.
#[allow(dead_code)]
async fn shop() -> Result<(sqlx::SqlitePool, tempfile::TempDir), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}?mode=rwc", directory.path().join("shop.db").display())).await?;
    sqlx::raw_sql(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, password_hash TEXT NOT NULL);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, cents INTEGER NOT NULL);
         CREATE TABLE downloads (book INTEGER PRIMARY KEY, count INTEGER NOT NULL);
         INSERT INTO users VALUES (7, 'Grace', 'secret'), (8, 'Edsger', 'secret');
         INSERT INTO orders VALUES (1, 7, 500), (2, 7, 250), (3, 8, 100)",
    )
    .execute(&pool)
    .await?;
    Ok((pool, directory))
}
