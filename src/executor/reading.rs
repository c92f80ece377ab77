//! A read as a stream: rows as they come.

use super::CachingExecutor;
use super::read::Answer;
use super::recall::Recall;
use super::schema::Plan;
use crate::database::{Backend, Request, Step, Steps};
use either::Either;
use futures_core::Stream;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use sqlx::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

/// Nothing is asked before it is first polled. What is ready-made is then given without further ado.
pub(super) enum Reading<'a, DB: Backend> {
    Asked(Option<(&'a CachingExecutor<DB>, Arc<Plan>, Request<DB>)>),
    Ready(vec::IntoIter<DB::Row>, Option<DB::QueryResult>),
    Coming(Steps<'a, DB>),
}

impl<'a, DB: Backend> Reading<'a, DB> {
    /// Of which this is remembered.
    pub(super) fn of(executor: &'a CachingExecutor<DB>, plan: Arc<Plan>, request: Request<DB>, recalled: Recall<DB>) -> Self {
        match recalled {
            Recall::Ready(replayed) => Self::Ready(replayed.rows.into_iter(), Some(replayed.result)),
            recalled => Self::Coming(executor.read(plan, request, recalled)),
        }
    }
}

/// Nothing in it is pinned: what is polled is boxed.
impl<DB: Backend> Unpin for Reading<'_, DB> {}

impl<DB: Backend> Stream for Reading<'_, DB> {
    type Item = Result<Step<DB>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Self::Asked(asked) => {
                    let Some((executor, plan, request)) = asked.take() else { return Poll::Ready(None) };
                    let recalled = executor.recall(&plan, &request, false, None);
                    *self = Self::of(executor, plan, request, recalled);
                }
                Self::Ready(rows, result) => {
                    let row = rows.next().map(Either::Right);
                    return Poll::Ready(row.or_else(|| result.take().map(Either::Left)).map(Ok));
                }
                Self::Coming(steps) => return steps.poll_next_unpin(cx),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Ready(rows, result) => {
                let left = rows.len() + usize::from(result.is_some());
                (left, Some(left))
            }
            Self::Coming(steps) => steps.size_hint(),
            Self::Asked(_) => (0, None),
        }
    }
}

impl<DB: Backend> CachingExecutor<DB> {
    /// Rows as they come: from the store at once, from the database one by one while a copy is kept.
    fn read(&self, plan: Arc<Plan>, request: Request<DB>, recalled: Recall<DB>) -> Steps<'_, DB> {
        async move {
            Ok(match self.answer(&plan, request, recalled, false).await? {
                Answer::Whole(replayed) => Reading::<DB>::Ready(replayed.rows.into_iter(), Some(replayed.result)),
                Answer::Live(live) => {
                    let steps = stream::try_unfold(live, async |mut live| Ok(live.next().await?.map(|step| (step, live))));
                    Reading::Coming(steps.boxed())
                }
                Answer::Alone(request, mut filling) => {
                    let steps = async_stream::try_stream! {
                        let sql = request.sql.clone();
                        let mut connection = self.shared.lend().await?;
                        let mut steps = connection.fetch_many(request);
                        while let Some(step) = steps.try_next().await? {
                            filling.see(&step);
                            yield step;
                        }
                        drop(steps);
                        filling.finish(&sql, connection).await.store().await;
                    };
                    Reading::Coming(steps.boxed())
                }
            })
        }
        .try_flatten_stream()
        .boxed()
    }
}
