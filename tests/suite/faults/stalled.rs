//! A process that stands still (stopped, swapped out, its machine moved) for longer than its fence's lease, just before it sends its statement: by then
//! another process has seen the lease lapse and nothing run in the database, and has cleared the fence.

use super::kit::{Cache, Gates, Home, Point, READ, Server, WRITE, each_on_redis};

each_on_redis! {
    between_its_fence_and_its_statement: Postgres MySql;
}

async fn between_its_fence_and_its_statement<DB: Server>(cache: Cache) {
    let home: Home<DB> = DB::home().await;
    let gates = Gates::over(cache.store());
    let (writer, reader) = (home.executor(gates.clone()).await, home.executor(cache.store()).await);
    home.resumes(&reader, READ).await;

    let mut begun = gates.hold(Point::Begun);
    let writing = tokio::spawn(DB::run(&writer, WRITE));
    begun.reached().await;
    // The lease runs out, and the reader caches again what is not changed yet.
    home.resumes(&reader, READ).await;
    let mut ending = gates.hold(Point::BeforeEnd);
    begun.release();
    ending.reached().await;
    assert_eq!(home.direct(READ).await, 1);
    assert_eq!(DB::number(&reader, READ).await.unwrap(), 1, "the database has said 1 already");
    ending.release();
    writing.await.unwrap().unwrap();
    home.resumes(&reader, READ).await;
}
