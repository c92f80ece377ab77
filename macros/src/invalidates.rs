//! `#[invalidates]`.

use crate::arguments::Invalidates;
use crate::function::Function;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result};

pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Invalidates::parse(options)?;
    let function = Function::parse("invalidates", item)?;
    let source = function.source("invalidates", options.cache.as_ref())?;
    let (parameters, generics) = (function.parameters(), function.generics());
    let known = |root: &str| {
        (root == "self" && function.has_self())
            || root == "Self"
            || parameters.iter().any(|parameter| parameter.name == root)
            || generics.iter().any(|(name, _)| *name == root)
    };
    let is_type = |root: &str| root == "Self" || generics.iter().any(|(name, is_type)| *is_type && *name == root);
    let mut targets = Vec::new();
    for template in &options.keys {
        if let Some(root) = template.roots().find(|root| !known(root)) {
            return Err(Error::new(template.span(), format!("`{root}` is no parameter of this function")));
        }
        let text = template.text(is_type);
        targets.push(if template.is_pattern() { quote!(.pattern(&#text)) } else { quote!(.key(#text)) });
    }
    if !options.tables.is_empty() {
        let tables = &options.tables;
        targets.push(quote!(.tables(&[#(#tables),*])));
    }
    let before = quote!(let __changes = ::sqlx_cached::__private::Changes::new(&(#source)) #(#targets)*;);
    let call = quote! {
        let __outcome = __load().await;
        __changes.done().await;
        __outcome
    };
    Ok(function.with(&before, &call))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENAME: &str = "async fn rename(&self, id: i64, name: &str) -> Result<(), Error> { write(id, name).await }";

    #[test]
    fn what_means_nothing_is_said() {
        for (options, item, message) in [
            ("", RENAME, "what does it change?"),
            ("cache = self.cache", RENAME, "what does it change?"),
            ("\"\"", RENAME, "no key is empty"),
            ("\"user:{ident}\"", RENAME, "`ident` is no parameter"),
            ("table(\"users\")", RENAME, "there is no option `table`"),
            ("\"user:*\"", "async fn rename(id: i64) {}", "which cache?"),
            ("\"user:*\"", "fn rename(&self) {}", "needs an async function"),
        ] {
            let outcome = expand(options.parse().unwrap(), item.parse().unwrap());
            let said = outcome.err().unwrap_or_else(|| panic!("{options}: {item} is expanded")).to_string();
            assert!(said.contains(message), "{options}: {said}");
        }
        for options in ["\"user:*\"", "\"user:{id}\", \"term:search:*\", tables(\"users\", \"orders\"), cache = self.cache"] {
            expand(options.parse().unwrap(), RENAME.parse().unwrap()).unwrap();
        }
    }
}
