//! Where a cache comes from.

use super::Cache;
use crate::database::Backend;
use crate::executor::CachingExecutor;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// What a cache can be had from: a [`Cache`], an executor, and what borrows or shares one. `#[cached]` and `#[invalidates]` ask it of the parameter called `cache` or
/// `db`, else of `self`; implement it for what your methods belong to:
///
/// ```
/// use sqlx_cached::{Cache, CacheSource};
///
/// struct Shop {
///     cache: Cache,
/// }
///
/// impl CacheSource for Shop {
///     fn cache(&self) -> Cache {
///         self.cache.clone()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "no cache can be had from `{Self}`",
    label = "this is neither a `Cache` nor a `CachingExecutor`",
    note = "implement `sqlx_cached::CacheSource` for it, or say where the cache is: `cache = self.cache`"
)]
pub trait CacheSource {
    /// The cache. Asked for at each call, so it should be cheap: a clone is.
    fn cache(&self) -> Cache;
}

impl CacheSource for Cache {
    fn cache(&self) -> Cache {
        self.clone()
    }
}

impl<DB: Backend> CacheSource for CachingExecutor<DB> {
    fn cache(&self) -> Cache {
        CachingExecutor::cache(self)
    }
}

macro_rules! sources_by_reference {
    ($($ty:ty),*) => {
        $(impl<T: CacheSource + ?Sized> CacheSource for $ty {
            fn cache(&self) -> Cache {
                (**self).cache()
            }
        })*
    };
}

sources_by_reference!(&T, Arc<T>, Rc<T>, Box<T>);

impl<T: CacheSource> CacheSource for LazyLock<T> {
    fn cache(&self) -> Cache {
        (**self).cache()
    }
}
