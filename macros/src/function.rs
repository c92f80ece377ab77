//! What the macros see of a function, and how its body becomes something that may be asked for, or not.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, GenericParam, Ident, ItemFn, Pat, PathArguments, Result, ReturnType, Type, TypeParamBound};

pub struct Function {
    pub item: ItemFn,
    /// What awaiting it gives.
    pub output: Type,
    shape: Shape,
}

/// How a function says that it is async.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Async,
    /// It returns `Pin<Box<dyn Future>>`: what `#[async_trait]` makes of an async one.
    Boxed,
    /// It returns `impl Future`.
    Opaque,
}

/// A name that a parameter's pattern binds.
pub struct Parameter {
    pub name: Ident,
    /// Of the whole parameter.
    pub ty: Type,
}

impl Function {
    pub fn parse(macro_name: &str, item: TokenStream) -> Result<Self> {
        let span = item.span();
        let item: ItemFn = syn::parse2(item)
            .map_err(|_| Error::new(span, format!("#[{macro_name}] stands before an async function or method that has a body")))?;
        let (output, shape) = match &item.sig.output {
            ReturnType::Default if item.sig.asyncness.is_some() => (syn::parse_quote!(()), Shape::Async),
            ReturnType::Type(_, ty) if item.sig.asyncness.is_some() => ((**ty).clone(), Shape::Async),
            ReturnType::Type(_, ty) if let Some(output) = boxed_output(ty) => (output, Shape::Boxed),
            ReturnType::Type(_, ty)
                if let Type::ImplTrait(ty) = &**ty
                    && let Some(output) = future_output(&ty.bounds) =>
            {
                (output, Shape::Opaque)
            }
            _ => {
                let message = format!("#[{macro_name}] needs an async function: write `async fn {}`", item.sig.ident);
                return Err(Error::new(item.sig.fn_token.span, message));
            }
        };
        Ok(Self { item, output, shape })
    }

    pub fn has_self(&self) -> bool {
        self.item.sig.receiver().is_some()
    }

    /// Every name that the parameters bind, but for `self`.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for input in &self.item.sig.inputs {
            if let FnArg::Typed(typed) = input {
                bindings(&typed.pat, &mut |name| parameters.push(Parameter { name: name.clone(), ty: (*typed.ty).clone() }));
            }
        }
        parameters
    }

    /// The first parameter that is borrowed mutably.
    pub fn mutable_parameter(&self) -> Option<Span> {
        self.item.sig.inputs.iter().find_map(|input| {
            let ty = match input {
                FnArg::Receiver(receiver) => &receiver.ty,
                FnArg::Typed(typed) => &typed.ty,
            };
            matches!(&**ty, Type::Reference(reference) if reference.mutability.is_some()).then(|| input.span())
        })
    }

    /// Its parameters for types and constants.
    pub fn generics(&self) -> Vec<(&Ident, bool)> {
        let generics = self.item.sig.generics.params.iter().filter_map(|generic| match generic {
            GenericParam::Type(generic) => Some((&generic.ident, true)),
            GenericParam::Const(generic) => Some((&generic.ident, false)),
            GenericParam::Lifetime(_) => None,
        });
        generics.collect()
    }

    /// Where its cache comes from: what the caller says, else what is called so, else `self`.
    pub fn source(&self, macro_name: &str, said: Option<&syn::Expr>) -> Result<TokenStream> {
        if let Some(expression) = said {
            return Ok(expression.to_token_stream());
        }
        let parameters = self.parameters();
        let of = |name: &str| parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.name.to_token_stream());
        match of("cache").or_else(|| of("db")) {
            Some(parameter) => Ok(parameter),
            None if self.has_self() => Ok(quote!(self)),
            None => Err(Error::new(
                self.item.sig.ident.span(),
                format!(
                    "which cache? Give the function a parameter `cache: &Cache` or `db: &CachingExecutor<_>`, or say #[{macro_name}(cache = ...)]"
                ),
            )),
        }
    }

    /// The function with another body: `before` is run first, then `call`, which finds the old body under the name `__load`: a closure that gives a future.
    pub fn with(mut self, before: &TokenStream, call: &TokenStream) -> TokenStream {
        let (body, output) = (&self.item.block, &self.output);
        let load = match (self.shape, &self.item.sig.output) {
            (Shape::Async, _) => {
                // Nothing, but the compiler learns what the block gives before it meets a `?`.
                let typed = (!names_no_type(output)).then(|| {
                    quote! {
                        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
                        if let ::core::option::Option::Some(never) = ::core::option::Option::<#output>::None {
                            return never;
                        }
                    }
                });
                quote! {
                    let __body = async move { #typed #body };
                    let __load = move || __body;
                }
            }
            (Shape::Boxed, ReturnType::Type(_, ty)) => quote!(let __load = move || -> #ty #body;),
            _ => quote!(let __load = move || #body;),
        };
        let steps = quote!(#before #load #call);
        let block = match self.shape {
            Shape::Async => quote!({ #steps }),
            Shape::Boxed => quote!({ ::std::boxed::Box::pin(async move { #steps }) }),
            Shape::Opaque => quote!({ async move { #steps } }),
        };
        self.item.block = syn::parse_quote!(#block);
        self.item.into_token_stream()
    }
}

/// Whether a type can't be written down where a value is declared.
fn names_no_type(ty: &Type) -> bool {
    ty.to_token_stream().into_iter().any(|token| matches!(&token, proc_macro2::TokenTree::Ident(ident) if ident == "impl"))
}

/// Whether a word stands anywhere in these tokens.
pub fn mentions(tokens: TokenStream, word: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *word,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), word),
        _ => false,
    })
}

fn bindings(pattern: &Pat, found: &mut impl FnMut(&Ident)) {
    match pattern {
        Pat::Ident(pattern) => {
            found(&pattern.ident);
            if let Some((_, pattern)) = &pattern.subpat {
                bindings(pattern, found);
            }
        }
        Pat::Paren(pattern) => bindings(&pattern.pat, found),
        Pat::Reference(pattern) => bindings(&pattern.pat, found),
        Pat::Type(pattern) => bindings(&pattern.pat, found),
        Pat::Slice(pattern) => pattern.elems.iter().for_each(|pattern| bindings(pattern, found)),
        Pat::Struct(pattern) => pattern.fields.iter().for_each(|field| bindings(&field.pat, found)),
        Pat::Tuple(pattern) => pattern.elems.iter().for_each(|pattern| bindings(pattern, found)),
        Pat::TupleStruct(pattern) => pattern.elems.iter().for_each(|pattern| bindings(pattern, found)),
        _ => {}
    }
}

/// The only argument of `Name<...>` that is a type, or the first of several.
pub fn argument_of(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

fn boxed_output(ty: &Type) -> Option<Type> {
    match argument_of(&argument_of(ty, "Pin")?, "Box")? {
        Type::TraitObject(object) => future_output(&object.bounds),
        _ => None,
    }
}

fn future_output<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assigned) if assigned.ident == "Output" => Some(assigned.ty.clone()),
            _ => None,
        })
    })
}
