//! `#[cached]`.

use crate::arguments::Cached;
use crate::function::{Function, argument_of, mentions};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, Result, Type};

pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Cached::parse(options)?;
    let function = Function::parse("cached", item)?;
    if let Some(span) = function.mutable_parameter() {
        let message = "a function that changes what it is given can't be cached: a hit would not change it, and what is read inside a transaction must not be stored";
        return Err(Error::new(span, message));
    }
    let Some(value) = value_of(&function.output) else {
        return Err(Error::new_spanned(&function.output, "a function that is cached returns a `Result<T, E>`: errors are never stored"));
    };
    let optional = argument_of(&value, "Option").is_some();
    if let (Some(none), false) = (&options.none, optional) {
        return Err(Error::new_spanned(none, "`none` is for functions that return a `Result<Option<T>, E>`"));
    }
    let source = function.source("cached", options.cache.as_ref())?;
    let key = key(&options, &function, &source)?;

    let ttl = options.ttl.iter().map(|ttl| quote!(.time_to_live(#ttl)));
    let none = options.none.iter().map(|none| quote!(.none(#none)));
    let tables = &options.depends_on;
    let tables = (!tables.is_empty()).then(|| quote!(.depends_on(&[#(#tables),*])));
    let run = if optional { quote!(optional) } else { quote!(value) };
    let before = quote! {
        let __key = #key;
        let __call = ::sqlx_cached::__private::Call::new(&(#source), __key) #(#ttl)* #(#none)* #tables;
    };
    // Where the value's type lacks something, the error points at it.
    let call = quote_spanned!(value.span()=> __call.#run(__load).await);
    Ok(function.with(&before, &call))
}

/// The `T` of `Result<T, E>`, however the result is called: `sqlx::Result<T>`, `anyhow::Result<T>`.
fn value_of(output: &Type) -> Option<Type> {
    argument_of(output, "Result")
}

/// An expression for the key.
fn key(options: &Cached, function: &Function, source: &TokenStream) -> Result<TokenStream> {
    let (parameters, generics) = (function.parameters(), function.generics());
    for name in &options.skip {
        if !parameters.iter().any(|parameter| parameter.name == *name) {
            return Err(Error::new(name.span(), format!("`{name}` is no parameter of this function")));
        }
    }
    let counts = |name: &Ident| !mentions(source.clone(), name) && !options.skip.contains(name);
    let in_value = |name: &Ident| mentions(function.output.to_token_stream(), name);
    let prefix = match &options.prefix {
        Some(prefix) => quote!(::std::string::String::from(#prefix)),
        // The name of a closure's type tells the function, its type and what both are generic over; but not in which block of another function it is.
        None => quote!(::sqlx_cached::__private::function(&|| (), ::core::line!(), ::core::column!())),
    };
    let Some(template) = &options.key else {
        let types = generics.iter().filter(|(name, _)| options.prefix.is_some() && in_value(name));
        let types = types.map(|(name, is_type)| {
            if *is_type { quote!(::sqlx_cached::__private::of_type::<#name>()) } else { quote!(::sqlx_cached::__private::argument(&#name)) }
        });
        let arguments = parameters.iter().filter(|parameter| counts(&parameter.name)).map(|parameter| {
            let name = &parameter.name;
            quote_spanned!(parameter.ty.span()=> ::sqlx_cached::__private::argument(&#name))
        });
        return Ok(quote!(::sqlx_cached::__private::key(#prefix, [#(#types,)* #(#arguments,)*])));
    };

    let known = |root: &str| {
        (root == "self" && function.has_self())
            || root == "Self"
            || parameters.iter().any(|parameter| parameter.name == root)
            || generics.iter().any(|(name, _)| *name == root)
    };
    let is_type = |root: &str| root == "Self" || generics.iter().any(|(name, is_type)| *is_type && *name == root);
    if let Some(root) = template.roots().find(|root| !known(root)) {
        return Err(Error::new(template.span(), format!("`{root}` is no parameter of this function")));
    }
    for parameter in parameters.iter().filter(|parameter| counts(&parameter.name)) {
        let name = &parameter.name;
        if !template.roots().any(|root| *name == root) {
            let message = format!(
                "`{name}` is not in the key, so calls that differ in it would be given each other's values: add `{{{name}}}`, or say skip({name}) if the value does not depend on it"
            );
            return Err(Error::new(name.span(), message));
        }
    }
    if options.prefix.is_some()
        && let Some((name, _)) = generics.iter().find(|(name, _)| in_value(name) && !template.roots().any(|root| *name == root))
    {
        let message = format!("the value's type depends on `{name}`: add `{{{name}}}` to the key");
        return Err(Error::new(name.span(), message));
    }
    let text = template.text(is_type);
    Ok(quote!(::sqlx_cached::__private::key_of(#prefix, #text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(options: &str, item: &str) -> String {
        let parsed = (options.parse().unwrap(), item.parse().unwrap());
        expand(parsed.0, parsed.1).err().unwrap_or_else(|| panic!("{options}: {item} is expanded")).to_string()
    }

    const FIND: &str = "async fn find(db: &Db, id: i64) -> Result<User, Error> { load(id).await }";

    #[test]
    fn what_cannot_be_cached_is_said() {
        for (item, message) in [
            ("fn find(db: &Db) -> Result<User, Error> { load() }", "needs an async function"),
            ("async fn find(db: &Db) -> User { load().await }", "returns a `Result<T, E>`"),
            ("async fn find(db: &Db) { load().await }", "returns a `Result<T, E>`"),
            ("async fn find(id: i64) -> Result<User, Error> { load().await }", "which cache?"),
            ("async fn find(db: &Db, tx: &mut Tx) -> Result<User, Error> { load().await }", "can't be cached"),
            ("async fn find(&mut self) -> Result<User, Error> { load().await }", "can't be cached"),
            ("async fn find(&self) -> Result<User, Error>;", "has a body"),
            ("struct User;", "has a body"),
        ] {
            assert!(said("", item).contains(message), "{item}: {}", said("", item));
        }
    }

    #[test]
    fn options_that_mean_nothing_are_said() {
        for (options, message) in [
            ("time = 5", "there is no option `time`"),
            ("ttl = \"soon\"", "no time above zero"),
            ("ttl = \"0\"", "no time above zero"),
            ("ttl = 0", "no time above zero"),
            ("ttl = 1.5", "no time above zero"),
            ("ttl = 5, ttl = 6", "said twice"),
            ("none = \"30s\"", "`none` is for functions"),
            ("none = \"forever\"", "no time above zero"),
            ("prefix = \"\"", "a prefix is"),
            ("prefix = \"user:{id}\"", "a prefix is"),
            ("prefix = \"user:\"", "a prefix is"),
            ("key = \"{name}\"", "`name` is no parameter"),
            ("key = \"all\"", "`id` is not in the key"),
            ("key = \"{self.id}\"", "`self` is no parameter"),
            ("skip(name)", "`name` is no parameter"),
            ("depends_on = []", "name a table"),
            ("ttl", "expected `=`"),
            ("ttl = 5 prefix = \"user\"", "expected `,`"),
        ] {
            assert!(said(options, FIND).contains(message), "{options}: {}", said(options, FIND));
        }
        let generic = "async fn find<T: Read>(db: &Db, id: i64) -> Result<Vec<T>, Error> { load(id).await }";
        assert!(said("prefix = \"user\", key = \"{id}\"", generic).contains("depends on `T`"));
    }

    #[test]
    fn what_can_be_cached_is() {
        for (options, item) in [
            ("", FIND),
            (
                "ttl = \"5m\", prefix = \"user\", key = \"{id}\", depends_on = [\"users\"], cache = db.cache(),",
                "pub(crate) async fn find(db: &Db, id: i64) -> sqlx::Result<User> { load(id).await }",
            ),
            (
                "none = \"30s\", skip(pool)",
                "async fn find(&self, pool: &Pool, Path(id): Path<i64>) -> Result<Option<User>, Error> { load(id).await }",
            ),
            (
                "prefix = \"user\", key = \"{T}:{id}\"",
                "async fn find<T: Read>(db: &Db, id: i64) -> Result<Vec<T>, Error> { load(id).await }",
            ),
            ("ttl = \"forever\"", "fn find(&self) -> impl Future<Output = Result<User, Error>> + Send { async { load().await } }"),
            (
                "ttl = TIMES.user",
                "fn find<'a, 'async_trait>(&'a self) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<User, Error>> + Send + 'async_trait>> { Box::pin(async move { load().await }) }",
            ),
        ] {
            let expanded =
                expand(options.parse().unwrap(), item.parse().unwrap()).unwrap_or_else(|error| panic!("{options}: {item}: {error}"));
            syn::parse2::<syn::ItemFn>(expanded).unwrap();
        }
    }
}
