//! The attribute macros of `sqlx-cached`, which re-exports them, with their documentation and examples. What they expand to calls that crate.

mod arguments;
mod cached;
mod function;
mod invalidates;
mod template;
mod time;

use proc_macro::TokenStream;

/// Keeps what an async function or method returns.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded(cached::expand(options.into(), item.into()))
}

/// Deletes from the cache what an async function or method changes.
#[proc_macro_attribute]
pub fn invalidates(options: TokenStream, item: TokenStream) -> TokenStream {
    expanded(invalidates::expand(options.into(), item.into()))
}

fn expanded(outcome: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    outcome.unwrap_or_else(|error| error.to_compile_error()).into()
}
