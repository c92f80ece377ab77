//! Keys and patterns with parameters in them: `"{id}:{filter.name}"`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Error, Index, LitStr, Result};

/// A text, read.
pub struct Template {
    parts: Vec<Part>,
    span: Span,
}

enum Part {
    Literal(String),
    Argument(Argument),
}

struct Argument {
    /// What stands before the colon, for messages.
    text: String,
    /// A parameter, `self`, or a type parameter.
    root: String,
    fields: Vec<String>,
    /// With its colon; empty if there is none.
    spec: String,
}

impl Template {
    pub fn parse(literal: &LitStr) -> Result<Self> {
        let (text, span) = (literal.value(), literal.span());
        let error = |what: String| Err(Error::new(span, what));
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '{' | '}' if rest.starts_with(c) => {
                    plain.push(c);
                    rest = &rest[1..];
                }
                '}' => return error("a `}` without its `{`: write `}}` for the character".to_owned()),
                '{' => {
                    let Some((inside, after)) = rest.split_once('}') else {
                        return error("a `{` without its `}`: write `{{` for the character".to_owned());
                    };
                    rest = after;
                    if !plain.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Argument(Argument::parse(inside, span)?));
                }
                '^' => return error("`^` can't stand here: it marks keys that were too long and are hashed".to_owned()),
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Literal(plain));
        }
        let template = Self { parts, span };
        template.check_separators()?;
        Ok(template)
    }

    /// Between any two arguments stands something that an escaped argument never has; else `("a", "bc")` and `("ab", "c")` would be one key.
    fn check_separators(&self) -> Result<()> {
        // What `segment` escapes, but for the character that it escapes with.
        let separates = |c: char| ":/*?[]\\{}".contains(c) || c.is_whitespace() || c.is_control();
        let mut before: Option<&Argument> = None;
        for part in &self.parts {
            match (part, before) {
                (Part::Literal(text), _) if text.contains(separates) => before = None,
                (Part::Literal(_), _) => {}
                (Part::Argument(argument), Some(before)) => {
                    let message = format!(
                        "there must be a `:` between `{{{}}}` and `{{{}}}`, or calls with different arguments would have the same key",
                        before.text, argument.text
                    );
                    return Err(Error::new(self.span, message));
                }
                (Part::Argument(argument), None) => before = Some(argument),
            }
        }
        Ok(())
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// The parameters that are named.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Argument(argument) => Some(argument.root.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Whether what stands outside of the arguments matches more than itself.
    pub fn is_pattern(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Literal(text) if text.contains(['*', '?', '[', '\\'])))
    }

    /// An expression for the text with every argument escaped, so that it is one part of a key, and matches nothing but itself in a pattern.
    pub fn text(&self, is_type: impl Fn(&str) -> bool) -> TokenStream {
        let span = self.span;
        let parts = self.parts.iter().map(|part| match part {
            Part::Literal(text) => quote_spanned!(span=> ::std::string::String::from(#text)),
            Part::Argument(argument) => {
                let value = argument.expression(&is_type, span);
                quote_spanned!(span=> ::sqlx_cached::segment(&#value))
            }
        });
        quote_spanned!(span=> ::sqlx_cached::__private::text(&[#(#parts),*]))
    }
}

impl Argument {
    fn parse(inside: &str, span: Span) -> Result<Self> {
        let error = |what: String| Err(Error::new(span, what));
        let (text, spec) = inside.split_at(inside.find(':').unwrap_or(inside.len()));
        let text = text.trim();
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
            return error(format!("`{{{inside}}}` names no parameter: write its name, as in `{{id}}`"));
        }
        if spec.contains('$') {
            return error(format!("`{{{inside}}}`: widths and precisions must be numbers"));
        }
        let mut words = text.split('.').map(|word| word.trim().to_owned());
        let root = words.next().unwrap_or_default();
        let fields: Vec<_> = words.collect();
        let is_name = |word: &str| syn::parse_str::<syn::Ident>(word).is_ok();
        let is_field = |word: &String| is_name(word) || word.parse::<u32>().is_ok();
        if !(is_name(&root) || root == "self" || root == "Self") || !fields.iter().all(is_field) {
            return error(format!("`{{{text}}}` is neither a parameter nor a field of one"));
        }
        Ok(Self { text: text.to_owned(), root, fields, spec: spec.to_owned() })
    }

    fn expression(&self, is_type: &impl Fn(&str) -> bool, span: Span) -> TokenStream {
        let root = format_ident!("{}", self.root, span = span);
        if is_type(&self.root) {
            return quote_spanned!(span=> ::std::any::type_name::<#root>());
        }
        let fields = self.fields.iter().map(|field| match field.parse::<u32>() {
            Ok(index) => {
                let index = Index { index, span };
                quote_spanned!(span=> .#index)
            }
            Err(_) => {
                let field = format_ident!("{field}", span = span);
                quote_spanned!(span=> .#field)
            }
        });
        let format = format!("{{{}}}", self.spec);
        quote_spanned!(span=> ::std::format!(#format, #root #(#fields)*))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template> {
        Template::parse(&LitStr::new(text, Span::call_site()))
    }

    #[test]
    fn parameters_are_found() {
        let template = parse("{id}:{filter.name:?}:{self.tenant}:{pair.0:>3} {{x}}").unwrap();
        assert_eq!(template.roots().collect::<Vec<_>>(), ["id", "filter", "self", "pair"]);
        assert!(!template.is_pattern());
        assert!(parse("user:{id}:*").unwrap().is_pattern());
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, said) in [
            ("{}", "names no parameter"),
            ("{0}", "names no parameter"),
            ("{id", "without its `}`"),
            ("id}", "without its `{`"),
            ("{f()}", "neither a parameter nor"),
            ("{a b}", "neither a parameter nor"),
            ("{id:w$}", "must be numbers"),
            ("^{id}", "marks keys"),
            ("{a}{b}", "a `:` between `{a}` and `{b}`"),
            ("{a}-{b}", "a `:` between `{a}` and `{b}`"),
            ("{a}%{b}", "a `:` between `{a}` and `{b}`"),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text} can be read")).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        for text in ["{a}:{b}", "{a} {b}", "{a}-:-{b}", "{a}/{b}", ""] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
