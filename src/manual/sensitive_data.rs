//! What must not be kept, what must not be read where it is kept, and who is given what.
//!
//! An answer that is kept is a copy: in this process's memory, in Redis, in Redis' snapshots and replicas. Set what follows alike in all processes; what was stored before stays until its time to live, or
//! `db.clear()`. Names are compared without regard to case, and one that the catalog does not know is a warning in the log, once. A name without a schema means every table called so.
//!
//! # Tables of which nothing is kept
//!
//! [`deny_tables`](crate::Builder::deny_tables): `deny_tables(&["secrets"])`, `CACHE_DENY_TABLES=secrets,app.keys`. No answer that depends on one is looked up or stored, near or far: whether the statement names it,
//! a view or a function reads it, a materialized view was made of it, or it is a part or the whole of one that was named.
//!
//! A plain value is of such a table if it is said to depend on it: `depends_on` then keeps nothing. One that has a field called like a denied column, or can't be searched for one, is refused.
//!
//! # Columns that are never kept
//!
//! [`deny_columns`](crate::Builder::deny_columns): `deny_columns(&["users.password_hash", "api_key"])`, `CACHE_DENY_COLUMNS=users.password_hash,api_key`; without a table the column is meant in any. The rule is strict, since a
//! value can leave its column under another name:
//!
//! - No answer is kept that has such a column; nor one with a column called like one that was named without a table, wherever it comes from.
//! - Of a statement that reads a table with such a column (a view of it, a function that reads it), an answer is kept only if it is a lone `COUNT`, or if the statement shows nothing but plain columns of
//!   tables and the database tells of each that it is another one. Whatever computes, and whatever shows a view, a derived table, a common table expression, a set operation or a whole
//!   row, is not kept. What only decides which rows there are (WHERE, ORDER BY, a subquery in them) is not shown.
//! - A value inside another one (a key in a JSON column), and a copy that a trigger or a generated column makes under another name, are columns of their own: name those.
//!
//! `explain` says why, and `Stats` counts it, as `Reason::Denied`. DDL that passes through an executor is followed at once, other DDL [within `CACHE_SCHEMA_REFRESH`](super::consistency#ddl-behind-the-back): what is renamed behind the back
//! has its old name until then.
//!
//! # Encryption
//!
//! Needs the crate's feature `encryption`. `CACHE_ENCRYPTION_KEY` is one key or two with a comma between, each 32 bytes in base64 (`openssl rand -base64 32`), or [`encryption_keys(&[key])`](crate::Builder::encryption_keys). The rows of each entry are encrypted on their way to
//! Redis, after compression (XChaCha20-Poly1305, a random nonce of 192 bits), and bound to the entry's key, generations and times: moved, relabelled or changed they are a miss. So is an entry that is not encrypted, or by
//! another key (`Stats::undecryptable_entries`). To change the key, put the new one behind the old one in all processes, then in front of it, then drop the old one.
//!
//! - Hidden: what is in the rows, and what an entry is made of. Whoever can write to Redis can't make an answer up.
//! - Not hidden: names of tables (in the names of keys, and in the entry's header), hashes of statements with their arguments (who guesses an argument can tell that it was asked for), when what was asked and written, how large answers are (compressed, which tells a little of what
//!   is in them: `CACHE_COMPRESSION_THRESHOLD=off` if that matters). Whoever can write to Redis can still delete what is there, or
//!   put back an old answer together with the generations that it was read under.
//! - Of [plain values](crate::Cache) and queued items the same holds, but for whole numbers: Redis adds them up, so a sum is not encrypted, and whoever can write to Redis can put a number in a value's place. A fault can be
//!   made of that only where a value is a bare whole number: put an id, a price or a permission into a field of something.
//! - Not encrypted: the near cache and the embedded store. They are this process's memory, where the key is as well.
//!
//! # Tenants and users
//!
//! `db.scope("tenant-7")` has entries of its own, which no other scope is given, and its `cache()`, the functions and the repositories that are given it have values of their own.
