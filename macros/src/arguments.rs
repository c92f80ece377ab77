//! What stands in the attributes' brackets.

use crate::template::Template;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token, bracketed, parenthesized};

/// The options of `#[cached]`.
#[derive(Default)]
pub struct Cached {
    pub cache: Option<Expr>,
    pub prefix: Option<LitStr>,
    pub key: Option<Template>,
    pub skip: Vec<Ident>,
    pub ttl: Option<TokenStream>,
    pub none: Option<TokenStream>,
    pub depends_on: Vec<LitStr>,
}

/// The options of `#[invalidates]`.
#[derive(Default)]
pub struct Invalidates {
    pub cache: Option<Expr>,
    pub keys: Vec<Template>,
    pub tables: Vec<LitStr>,
}

impl Cached {
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = Self::default();
        let mut said = Vec::new();
        let one = |input: ParseStream| {
            let name: Ident = input.parse()?;
            if said.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` is said twice")));
            }
            said.push(name.clone());
            if name != "skip" {
                input.parse::<Token![=]>()?;
            }
            match name.to_string().as_str() {
                "cache" => options.cache = Some(input.parse()?),
                "prefix" => options.prefix = Some(prefix(input.parse()?)?),
                "key" => options.key = Some(Template::parse(&input.parse()?)?),
                "skip" => {
                    let names;
                    parenthesized!(names in input);
                    options.skip = names.parse_terminated(Ident::parse, Token![,])?.into_iter().collect();
                }
                "ttl" => options.ttl = Some(time(input.parse()?, true)?),
                "none" => options.none = Some(time(input.parse()?, false)?),
                "depends_on" => options.depends_on = tables(input)?,
                _ => {
                    let known = "cache, depends_on, key, none, prefix, skip and ttl";
                    return Err(Error::new(name.span(), format!("there is no option `{name}`: there are {known}")));
                }
            }
            Ok(())
        };
        separated(tokens, one)?;
        Ok(options)
    }
}

impl Invalidates {
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = Self::default();
        let span = tokens.clone();
        let one = |input: ParseStream| {
            if input.peek(LitStr) {
                let literal: LitStr = input.parse()?;
                if literal.value().is_empty() {
                    return Err(Error::new(literal.span(), "no key is empty"));
                }
                options.keys.push(Template::parse(&literal)?);
                return Ok(());
            }
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "cache" => {
                    input.parse::<Token![=]>()?;
                    options.cache = Some(input.parse()?);
                }
                "tables" => {
                    let names;
                    parenthesized!(names in input);
                    options.tables.extend(names.parse_terminated(<LitStr as Parse>::parse, Token![,])?);
                }
                _ => {
                    let message =
                        format!("there is no option `{name}`: there are \"a key\", \"a pattern:*\", tables(\"...\") and cache = ...");
                    return Err(Error::new(name.span(), message));
                }
            }
            Ok(())
        };
        separated(tokens, one)?;
        if options.keys.is_empty() && options.tables.is_empty() {
            return Err(Error::new_spanned(span, "what does it change? Name keys, patterns, or tables(\"...\")"));
        }
        Ok(options)
    }
}

/// Reads what stands between commas.
fn separated(tokens: TokenStream, mut one: impl FnMut(ParseStream) -> Result<()>) -> Result<()> {
    let parser = |input: ParseStream| {
        while !input.is_empty() {
            one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    parser.parse2(tokens)
}

fn prefix(literal: LitStr) -> Result<LitStr> {
    let value = literal.value();
    if value.is_empty() || value.ends_with(':') || value.contains(['{', '}', '^', '*', '?', '[', ']', '\\']) {
        let message =
            "a prefix is a text without `{ } ^ * ? [ ] \\` and without a `:` at its end; what depends on the parameters goes into `key`";
        return Err(Error::new(literal.span(), message));
    }
    Ok(literal)
}

/// `["users", "orders"]`, or one of them.
fn tables(input: ParseStream) -> Result<Vec<LitStr>> {
    if input.peek(LitStr) {
        return Ok(vec![input.parse()?]);
    }
    let names;
    let brackets = bracketed!(names in input);
    let names: Punctuated<LitStr, Token![,]> = names.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
    if names.is_empty() {
        return Err(Error::new(brackets.span.join(), "name a table, or leave `depends_on` out"));
    }
    Ok(names.into_iter().collect())
}

/// A text is read now, a whole number is seconds, anything else an expression for when the function is called.
fn time(expression: Expr, may_be_endless: bool) -> Result<TokenStream> {
    let time = match &expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if may_be_endless && text.value() == "forever" => {
            return Ok(quote!(::core::option::Option::<::core::time::Duration>::None));
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => crate::time::read(&text.value()),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.suffix().is_empty() => crate::time::read(number.base10_digits()),
        Expr::Lit(_) => None,
        _ => return Ok(expression.to_token_stream()),
    };
    match time.and_then(|time| u64::try_from(time.as_nanos()).ok()) {
        Some(nanos) => Ok(quote!(::core::time::Duration::from_nanos(#nanos))),
        None => {
            let endless = if may_be_endless { ", or \"forever\"" } else { "" };
            let message = format!("this is no time above zero: write seconds, or a text with ms, s, m, h or d such as \"5m\"{endless}");
            Err(Error::new_spanned(expression, message))
        }
    }
}
