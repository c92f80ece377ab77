//! What must not be kept, and what must not be read where it is kept.

mod catalog;
mod columns;
mod denied_values;
mod encrypted;
mod kit;
mod settings;
mod tables;
mod values;
