//! Every type that sqlx decodes, read five ways: directly; on a miss and on a hit of the embedded store; on a miss of Redis by one executor, and on the hit
//! that it makes for another.

/// `case!("declared type": types that read it; literals)`
macro_rules! case {
    ($declared:literal: $($type:ty),*; $($literal:expr),* $(,)?) => {
        Case {
            declared: $declared,
            literals: &[$($literal),*],
            decode: &[$(|row| format!("{:?}", sqlx::Row::try_get::<Option<$type>, _>(row, 1))),*],
        }
    };
}

mod mysql;
mod postgres;
mod sqlite;
