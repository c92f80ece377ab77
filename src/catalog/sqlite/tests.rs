use super::*;
use crate::analysis::{Writes, analyse};
use crate::catalog::{Ident, Name};
use crate::database::Backend;
use sqlx::{Connection, Executor, Sqlite};

async fn with(schema: &'static str) -> (SqliteConnection, Catalog) {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
    let catalog = load(&mut connection).await.unwrap();
    (connection, catalog)
}

fn named<'c>(catalog: &'c Catalog, schema: Option<&str>, name: &str) -> Option<&'c Relation> {
    let ident = |text: &str| Ident { text: text.to_owned(), quoted: true };
    catalog.resolve(&Name { schema: schema.map(ident), relation: ident(name) })
}

#[tokio::test]
async fn only_ordinary_tables_of_main_are_plain() {
    let (_connection, catalog) = with(
        "
        CREATE TABLE Users (id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE TABLE bare (a PRIMARY KEY) WITHOUT ROWID;
        CREATE VIEW seen AS SELECT * FROM Users;
        CREATE VIRTUAL TABLE papers USING fts5(body);
        CREATE TEMP TABLE passing (a);
        ATTACH ':memory:' AS aside;
        CREATE TABLE aside.far (a);
        CREATE TABLE aside.users (a);
        CREATE TABLE \"a.b\" (a)",
    )
    .await;
    for plain in ["users", "USERS", "bare", "a.b"] {
        let relation = named(&catalog, None, plain).unwrap();
        assert_eq!((relation.reads.clone(), relation.writes), (Reads::Plain, Reach::Itself), "{plain}");
    }
    assert_eq!(named(&catalog, None, "users").unwrap().tag, Tag::table("Users"));
    assert_eq!(named(&catalog, None, "a.b").unwrap().tag.as_str(), "a%2Eb");
    assert!(matches!(named(&catalog, None, "seen").unwrap().reads, Reads::View(_)));
    let papers = named(&catalog, None, "papers").unwrap();
    assert_eq!((papers.reads.clone(), papers.writes), (Reads::Opaque, Reach::Itself), "its rows are in tables of its own");
    for opaque in ["papers_data", "papers_content", "passing", "far", "sqlite_sequence", "sqlite_temp_master"] {
        let relation = named(&catalog, None, opaque).unwrap_or_else(|| panic!("{opaque}"));
        assert_eq!((relation.reads.clone(), relation.writes), (Reads::Opaque, Reach::Unknown), "{opaque}");
    }
    for schema in ["sqlite_master", "sqlite_schema", "SQLITE_MASTER"] {
        assert_eq!(named(&catalog, None, schema).unwrap().reads, Reads::Schema);
        assert_eq!(named(&catalog, Some("main"), schema).unwrap().tag, Tag::schema());
        assert!(named(&catalog, Some("temp"), schema).is_none_or(|relation| relation.reads == Reads::Opaque));
        assert!(named(&catalog, Some("aside"), schema).is_none_or(|relation| relation.reads == Reads::Opaque));
    }
    assert!(named(&catalog, None, "nowhere").is_none());
}

#[tokio::test]
async fn a_temporary_table_hides_the_table_of_its_name() {
    let (_connection, catalog) = with("CREATE TABLE t (a); CREATE TEMP TABLE T (a)").await;
    assert_eq!(named(&catalog, None, "t").unwrap().reads, Reads::Opaque);
    assert_eq!(named(&catalog, Some("MAIN"), "t").unwrap().reads, Reads::Plain);
}

#[tokio::test]
async fn triggers_and_cascades_reach_further() {
    let (_connection, catalog) = with("
        CREATE TABLE watched (a); CREATE TABLE watched_aside (a); CREATE TABLE log (a);
        CREATE TRIGGER w AFTER INSERT ON watched BEGIN INSERT INTO log VALUES (1); END;
        CREATE TEMP TRIGGER x AFTER INSERT ON main.WATCHED_ASIDE BEGIN INSERT INTO log VALUES (1); END;
        CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE strict_parent (id INTEGER PRIMARY KEY); CREATE TABLE updated (id PRIMARY KEY);
        CREATE TABLE child (
            p REFERENCES Parent ON DELETE cascade, s REFERENCES strict_parent ON DELETE RESTRICT ON UPDATE NO ACTION,
            u REFERENCES updated ON UPDATE SET NULL);
        CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree ON DELETE SET DEFAULT);
        CREATE TABLE kept (id PRIMARY KEY ON CONFLICT REPLACE); CREATE TABLE under (k REFERENCES kept ON DELETE CASCADE)")
    .await;
    for (sql, expected) in [
        ("INSERT INTO watched VALUES (1)", "watched, log"),
        ("DELETE FROM watched", "watched"),
        ("INSERT INTO watched_aside VALUES (1)", "*"),
        ("INSERT INTO parent VALUES (1)", "parent"),
        ("DELETE FROM PARENT", "parent, child"),
        ("REPLACE INTO parent VALUES (1)", "parent, child"),
        ("INSERT OR REPLACE INTO parent VALUES (1)", "parent, child"),
        ("DELETE FROM strict_parent", "strict_parent"),
        ("DELETE FROM updated", "updated"),
        ("UPDATE updated SET id = 2", "updated, child"),
        ("UPDATE updated SET rowid = 2", "updated, child"),
        ("DELETE FROM tree", "tree"),
        ("INSERT INTO kept VALUES (1)", "kept, under"),
    ] {
        assert_eq!(writes(sql, &catalog), expected, "{sql}");
    }
}

/// The tables that a statement writes.
fn writes(sql: &str, catalog: &Catalog) -> String {
    match analyse(Dialect::Sqlite, sql, catalog).writes {
        Writes::Nothing => String::new(),
        Writes::Tables(tables) => tables.iter().map(Tag::as_str).collect::<Vec<_>>().join(", "),
        Writes::Everything => "*".to_owned(),
    }
}

#[tokio::test]
async fn columns_tell_their_tables() {
    let (mut connection, catalog) = with(
        "
        CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT a FROM t; CREATE TEMP TABLE x (a); INSERT INTO x VALUES (1);
        CREATE TABLE \"temp.x\" (a); CREATE TABLE \"d.t\" (a); INSERT INTO \"d.t\" VALUES (1)",
    )
    .await;
    let origin = async |connection: &mut SqliteConnection, sql: &'static str| {
        let row = connection.fetch_one(sql).await.unwrap();
        Sqlite::origin(&catalog, row.column(0))
    };
    assert_eq!(origin(&mut connection, "SELECT q.a FROM t AS q").await, Some(Ok(Tag::table("t"))));
    assert_eq!(origin(&mut connection, "SELECT a FROM v").await, Some(Ok(Tag::table("t"))));
    assert_eq!(origin(&mut connection, "SELECT name FROM sqlite_master").await, Some(Ok(Tag::schema())));
    assert_eq!(origin(&mut connection, "SELECT a FROM \"d.t\"").await, Some(Ok(Tag::qualified(None, "d.t"))));
    assert_eq!(origin(&mut connection, "SELECT a FROM temp.x").await, None, "or main's table of that name");
    assert_eq!(origin(&mut connection, "SELECT a + 1 FROM t").await, None);
    connection.execute("CREATE TABLE later (a); INSERT INTO later VALUES (1)").await.unwrap();
    assert_eq!(origin(&mut connection, "SELECT a FROM later").await, Some(Err("later".to_owned())));
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let (_connection, catalog) = with("
        CREATE TABLE \"x'); DROP TABLE y; --\" (id PRIMARY KEY); CREATE TABLE \"\" (a); CREATE TABLE \"sqlit\u{e9}_\" (a); CREATE TABLE y (a);
        CREATE TABLE \"a \"\" b\" (r REFERENCES \"x'); DROP TABLE y; --\" ON DELETE CASCADE)")
    .await;
    assert_eq!(
        writes("DELETE FROM \"x'); DROP TABLE y; --\"", &catalog),
        Tag::table("x'); DROP TABLE y; --").to_string() + ", " + Tag::table("a \" b").as_str()
    );
    for name in ["a \" b", "", "sqlit\u{e9}_", "y"] {
        assert_eq!(named(&catalog, None, name).unwrap().reads, Reads::Plain, "{name}");
    }
}

#[tokio::test]
async fn built_in_functions_are_not_a_users() {
    let (_connection, catalog) = with("").await;
    for name in ["count", "lower", "json_extract", "strftime", "coalesce", "sum", "row_number"] {
        assert!(!catalog.is_user_function(name), "{name}");
    }
}
