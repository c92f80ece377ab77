//! The fingerprint of a result's columns.

use crate::rows::Unreplayable;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgColumn, PgTypeInfo, PgTypeKind};
use sqlx::{Column, TypeInfo};

/// Equal if and only if the columns have equal names and types, all the way down: a composite type that has gained an attribute keeps its
/// OID, and its old description can't decode new values.
pub type Fingerprint = [u8; 32];

/// The fingerprint of these columns.
///
/// # Errors
///
/// [`Unreplayable::ColumnType`] for a type that the driver could not resolve.
pub fn fingerprint(columns: &[PgColumn]) -> Result<Fingerprint, Unreplayable> {
    let mut hasher = Hasher { sum: Sha256::new(), with_labels: false };
    hasher.number(columns.len());
    for column in columns {
        hasher.text(column.name());
        hasher.column_type(column.type_info())?;
    }
    Ok(hasher.sum.finalize().into())
}

/// Equal if and only if a row's columns tell the same of themselves: also where they come from, and their enums' labels.
///
/// # Errors
///
/// As [`fingerprint`].
pub fn identity(columns: &[PgColumn]) -> Result<Fingerprint, Unreplayable> {
    let mut hasher = Hasher { sum: Sha256::new(), with_labels: true };
    for column in columns {
        hasher.text(column.name());
        hasher.column_type(column.type_info())?;
        hasher.text(&format!("{:?} {:?} {:?}", column.relation_id(), column.relation_attribute_no(), column.origin()));
    }
    Ok(hasher.sum.finalize().into())
}

/// Whether a row has the columns that an earlier row of the same result has. Within one result an OID means one type.
pub fn same(one: &[PgColumn], other: &[PgColumn]) -> bool {
    let same = |(one, other): (&PgColumn, &PgColumn)| one.name() == other.name() && one.type_info().oid() == other.type_info().oid();
    one.len() == other.len() && one.iter().zip(other).all(same)
}

struct Hasher {
    sum: Sha256,
    with_labels: bool,
}

impl Hasher {
    fn number(&mut self, number: usize) {
        self.sum.update((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.sum.update(text);
    }

    fn column_type(&mut self, info: &PgTypeInfo) -> Result<(), Unreplayable> {
        let name = info.name();
        // "?" is a type of which sqlx knows the OID and nothing else (a real type of that name comes in quotes); asking it for its kind
        // panics.
        let oid = info.oid().filter(|_| name != "?").ok_or(Unreplayable::ColumnType)?;
        self.sum.update(oid.0.to_le_bytes());
        self.text(name);
        match info.kind() {
            PgTypeKind::Simple => self.number(0),
            PgTypeKind::Pseudo => self.number(1),
            PgTypeKind::Domain(base) => {
                self.number(2);
                self.column_type(base)?;
            }
            PgTypeKind::Composite(attributes) => {
                self.number(3);
                self.number(attributes.len());
                for (name, info) in attributes.iter() {
                    self.text(name);
                    self.column_type(info)?;
                }
            }
            PgTypeKind::Array(element) => {
                self.number(4);
                self.column_type(element)?;
            }
            // Not its labels, in a fingerprint: no value is decoded by them, and after ALTER TYPE ... ADD VALUE connections that know the new label and
            // connections that don't would disown each other's entries for as long as both live.
            PgTypeKind::Enum(labels) => {
                self.number(5);
                if self.with_labels {
                    labels.iter().for_each(|label| self.text(label));
                }
            }
            PgTypeKind::Range(bound) => {
                self.number(6);
                self.column_type(bound)?;
            }
        }
        Ok(())
    }
}
