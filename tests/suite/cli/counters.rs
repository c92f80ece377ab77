//! `stats`.

use super::Desk;
use serde_json::json;

#[tokio::test]
async fn what_programs_counted_is_shown_and_forgotten() {
    let desk = Desk::new();
    assert_eq!(desk.json(&["stats"]), json!({ "days": [] }));
    assert!(desk.says(&["stats"]).contains("nothing was counted"));
    let executor = desk.executor(desk.shop().await).await;
    for _ in 0..4 {
        sqlx::query("SELECT name FROM users").fetch_all(&executor).await.unwrap();
    }
    sqlx::query("SELECT COUNT(*) FROM orders").fetch_one(&executor).await.unwrap();
    sqlx::query("UPDATE users SET name = 'Ada'").execute(&executor).await.unwrap();
    executor.cache().set("page:\x1b[2J", &1).await.unwrap();
    // They are delivered now, and not in a while.
    executor.days().await.unwrap();

    let day = &desk.json(&["stats"])["days"][0];
    assert_eq!((&day["hits"], &day["misses"], &day["writes"]), (&json!(3), &json!(2), &json!(1)), "{day}");
    assert_eq!(day["hit_ratio"], 0.6);
    assert_eq!(day["operations"]["users:data"], json!({ "hits": 3, "misses": 1, "fills": 1, "hit_ratio": 0.75 }));
    let text = desk.says(&["stats"]);
    assert!(text.contains("hit ratio 60.0 %") && text.contains("3 hits (0 near), 0 joined, 2 misses"), "{text}");
    let line = text.lines().find(|line| line.contains("users:data")).expect("a line of the table");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["users:data", "75.0", "%", "3", "1", "1"]);
    assert!(!desk.says(&["stats", "--operations", "1"]).contains("orders:count"), "the busiest alone");
    assert_eq!(desk.json(&["stats", "--days", "0"]), json!({ "days": [] }));

    // What the tool itself does is nothing that a program did.
    desk.says(&["warm", "SELECT id FROM orders"]);
    assert_eq!(desk.run(&["get", "nothing"]).code, 1);
    assert_eq!(&desk.json(&["stats"])["days"][0], day);

    desk.says(&["stats", "--reset"]);
    assert_eq!(desk.json(&["stats"]), json!({ "days": [] }));
}
