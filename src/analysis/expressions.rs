//! Expressions whose value can change although no table did.

use super::walk::Walk;
use super::{Bypass, Dialect, tables};
use sqlparser::ast::{AccessExpr, ArrayElemTypeDef, BinaryOperator, DataType, Expr, TimezoneInfo, UnaryOperator, Value};

impl Walk<'_> {
    /// Judges one expression; its parts are judged by themselves.
    pub(super) fn expression(&mut self, expr: &Expr) {
        match expr {
            Expr::Function(function) => self.call(function),
            Expr::Cast { expr, data_type, format, .. } => {
                if format.is_some() {
                    self.distrust(Bypass::Unparsed);
                }
                self.cast(Some(expr), data_type);
            }
            Expr::TypedString(typed) => self.cast(None, &typed.data_type),
            Expr::Convert { data_type, styles, .. } => {
                self.call_keyword("convert");
                if !styles.is_empty() {
                    self.distrust(Bypass::Unparsed);
                }
                if let Some(data_type) = data_type {
                    self.cast(None, data_type);
                }
            }
            Expr::BinaryOp { op, .. } => self.operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => self.operator(compare_op),
            Expr::UnaryOp { op, .. } => self.unary(*op),
            Expr::CompoundIdentifier(parts) => {
                // `t.f` is `f(t)` in PostgreSQL where `t` has no column `f`.
                if let (Dialect::Postgres, Some(last)) = (self.dialect, parts.last()) {
                    self.call_keyword(&last.value);
                }
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                        self.call_keyword(&field.value);
                    }
                }
            }
            // Syntax that calls a function of a name that a user's function may have as well.
            Expr::Ceil { .. } => self.call_keyword("ceil"),
            Expr::Floor { .. } => self.call_keyword("floor"),
            Expr::Position { .. } => self.call_keyword("position"),
            Expr::Substring { .. } => {
                self.call_keyword("substring");
                self.call_keyword("substr");
            }
            Expr::Trim { .. } => {
                self.call_keyword("trim");
                self.call_keyword("btrim");
            }
            Expr::Overlay { .. } => self.call_keyword("overlay"),
            Expr::AtTimeZone { .. } => self.call_keyword("timezone"),
            Expr::Extract { .. } => {
                self.call_keyword("extract");
                self.call_keyword("date_part");
                self.date |= self.dialect == Dialect::MySql;
            }
            // `x + INTERVAL 1 DAY`: of a time of day, that is a date.
            Expr::Interval(_) => self.date |= self.dialect == Dialect::MySql,
            Expr::MatchAgainst { .. } | Expr::MemberOf(_) if self.dialect == Dialect::MySql => {}
            // `_utf8'x'`, and nothing else.
            Expr::Prefixed { prefix, .. } if self.dialect == Dialect::MySql && prefix.value.starts_with('_') => {}
            Expr::Identifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => {}
            // Other databases' syntax, and whatever the parser learns next.
            _ => self.distrust(Bypass::Unparsed),
        }
    }

    /// Judges a cast. PostgreSQL reads text as a date by the clock (`'now'`), and text can come out of a column or a parameter: sqlx tells the server
    /// each argument's own type, so `$1::date` of a bound string converts that string. Only what surely is no text may become a date.
    fn cast(&mut self, from: Option<&Expr>, to: &DataType) {
        match self.dialect {
            Dialect::Sqlite => {}
            Dialect::MySql => {
                self.date |= matches!(to, DataType::Date | DataType::Datetime(_) | DataType::Timestamp(..));
                self.time_of_day |= matches!(to, DataType::Time(..));
            }
            Dialect::Postgres => match self.target(to) {
                Target::Plain => {}
                Target::Moment if from.is_none_or(|from| self.is_no_text(from)) => {}
                Target::Moment | Target::Lookup => self.refuse(Bypass::Function),
                Target::Unknown => self.distrust(Bypass::Function),
            },
        }
    }

    #[expect(clippy::match_same_arms, reason = "each for a reason of its own")]
    fn target(&self, to: &DataType) -> Target {
        match to {
            // A zone's name, and the session's zone where none is given, mean the offset of today: whatever is converted.
            DataType::Time(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => Target::Lookup,
            DataType::Date | DataType::Timestamp(..) | DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                Target::Moment
            }
            // The parser's words for other databases' types: in PostgreSQL a user's own, as likely a domain over a date.
            DataType::Nvarchar(_)
            | DataType::Clob(_)
            | DataType::Binary(_)
            | DataType::Varbinary(_)
            | DataType::Blob(_)
            | DataType::TinyBlob
            | DataType::MediumBlob
            | DataType::LongBlob
            | DataType::Bytes(_)
            | DataType::TinyInt(_)
            | DataType::UTinyInt
            | DataType::MediumInt(_)
            | DataType::TinyText
            | DataType::MediumText
            | DataType::LongText
            | DataType::String(_)
            | DataType::FixedString(_)
            | DataType::Signed
            | DataType::Unsigned
            | DataType::Double(_)
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Int128
            | DataType::Int256
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Float32
            | DataType::Float64
            | DataType::HugeInt
            | DataType::Enum(..)
            | DataType::Set(_) => match to.to_string().split(|c: char| !c.is_alphanumeric()).next() {
                Some(name) if self.catalog.is_user_function(name) => Target::Unknown,
                _ => Target::Lookup,
            },
            DataType::Array(
                ArrayElemTypeDef::AngleBracket(inner) | ArrayElemTypeDef::SquareBracket(inner, _) | ArrayElemTypeDef::Parenthesis(inner),
            ) => self.target(inner),
            DataType::Custom(name, _) => {
                let qualified = name.0.len() > 1;
                let name = tables::last_lower(name);
                match name.as_str() {
                    _ if self.catalog.is_enum(&name) => Target::Plain,
                    "timestamptz" | "daterange" | "tsrange" | "tstzrange" | "datemultirange" | "tsmultirange" | "tstzmultirange" => {
                        Target::Moment
                    }
                    "regtype" | "regproc" | "regprocedure" | "regrole" | "regnamespace" | "regoper" | "regoperator" | "regconfig"
                    | "regdictionary" | "regcollation" | "regclass" => Target::Lookup,
                    _ if PLAIN_TYPES.contains(&name.as_str()) && !qualified => Target::Plain,
                    // A domain or a composite type can hide a date, a cast of a user's own a function.
                    _ if self.catalog.is_user_function(&name) => Target::Unknown,
                    _ => Target::Lookup,
                }
            }
            DataType::Regclass
            | DataType::Table(_)
            | DataType::NamedTable { .. }
            | DataType::Map(..)
            | DataType::Tuple(_)
            | DataType::Nested(_)
            | DataType::Struct(..)
            | DataType::Union(_)
            | DataType::Nullable(_)
            | DataType::LowCardinality(_)
            | DataType::Unspecified
            | DataType::Trigger
            | DataType::AnyType
            | DataType::Array(_)
            | DataType::Datetime(_)
            | DataType::Datetime64(..)
            | DataType::TimestampNtz(_)
            | DataType::Date32 => Target::Lookup,
            _ => Target::Plain,
        }
    }

    /// Whether an expression surely is no text (or a literal, whose text the [words](super::words) were searched for).
    fn is_no_text(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
            Expr::TypedString(_)
            | Expr::AtTimeZone { .. }
            | Expr::Interval(_)
            | Expr::Extract { .. }
            | Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => true,
            Expr::Cast { data_type, .. } => self.target(data_type) == Target::Moment,
            Expr::Nested(inner) => self.is_no_text(inner),
            Expr::Function(function) => matches!(
                tables::last_lower(&function.name).as_str(),
                "date_trunc"
                    | "date_bin"
                    | "make_date"
                    | "make_time"
                    | "make_timestamp"
                    | "make_timestamptz"
                    | "to_timestamp"
                    | "to_date"
                    | "timezone"
            ),
            _ => false,
        }
    }

    fn operator(&mut self, operator: &BinaryOperator) {
        match operator {
            BinaryOperator::Custom(sign) if !KNOWN_SIGNS.contains(&sign.as_str()) => self.distrust(Bypass::Function),
            BinaryOperator::PGCustomBinaryOperator(_) => self.distrust(Bypass::Function),
            // `@x := 1`
            BinaryOperator::Assignment => self.refuse(Bypass::Variable),
            BinaryOperator::Match if self.dialect != Dialect::Sqlite => self.distrust(Bypass::Unparsed),
            BinaryOperator::DuckIntegerDivide => self.distrust(Bypass::Unparsed),
            _ if self.dialect == Dialect::Postgres && self.catalog.is_user_function(&operator.to_string()) => {
                self.distrust(Bypass::Function);
            }
            _ => {}
        }
    }

    fn unary(&mut self, operator: UnaryOperator) {
        if self.dialect == Dialect::Postgres && self.catalog.is_user_function(&operator.to_string()) {
            self.distrust(Bypass::Function);
        }
    }
}

/// What a cast to a type can depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The value alone.
    Plain,
    /// The clock, if the value is text.
    Moment,
    /// The catalog, or nobody knows; but it writes nothing.
    Lookup,
    /// A user's function.
    Unknown,
}

/// Operators of PostgreSQL itself and of its common extensions (vector, trigrams, ltree) that the parser has no name for.
const KNOWN_SIGNS: &[&str] = &[
    "<->", "<#>", "<=>", "<+>", "<~>", "<%>", "<%", "%>", "<<%", "%>>", "<<->", "<->>", "<<<->", "<->>>", "-|-", "~", "!~~", "!~~*", "~~",
    "~~*", "<<", ">>", "<<=", ">>=", "&&", "@>", "<@", "^@", "||/", "|/", "~>=~", "~<=~", "~>~", "~<~", "=",
];

/// Types whose input reads nothing but its text.
const PLAIN_TYPES: &[&str] = &[
    "name",
    "oid",
    "bpchar",
    "char",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "xml",
    "jsonpath",
    "int4range",
    "int8range",
    "numrange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "citext",
    "hstore",
    "ltree",
    "lquery",
    "ltxtquery",
    "cube",
    "vector",
    "halfvec",
    "sparsevec",
    "geometry",
    "geography",
    "tsquery",
    "tsvector",
    "uuid",
    "json",
    "jsonb",
    "text",
    "bytea",
    "bit",
    "varbit",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "bool",
    "serial",
    "xid8",
];
