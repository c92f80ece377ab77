//! The near cache's mirror of generations, in this process, in front of a store elsewhere that tells when a generation changes.
//!
//! An answer that is kept in this process is valid if the mirror has every generation it was read under. The mirror is kept true by what the store pushes, and the
//! rules are these:
//!
//! - A reply and a later push are handled by different tasks, so a reply could be mirrored after the push that revokes it. Hence every drop is counted, per tag
//!   and before anything is looked at ([`Near::observe`]); a reply is mirrored only if its tags were not dropped since its request was *sent*.
//! - A lost connection, or a push without a key, means that anything may have changed: all that its session mirrored is dropped ([`Near::end`]).
//! - A connection may be dead without anybody knowing. So near hits are given only within a bound of the *sending* of the last heartbeat that came back through
//!   the push stream itself: what was revoked before it was sent had been handled when it came back. A value served at `t` was therefore current at some instant
//!   after `t` minus the bound.
//! - In the writer's own process the tags are dropped after `begin`'s reply, so it sees its own writes at once.
//! - A reader never goes back in time within a process: a fill's reply confirms its generations, a direct read drops its tags before it returns, and a reply that
//!   differs from the mirror drops both.

use super::{Changes, Label, Sight};
use crate::tag::{Generation, Tag};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The mirror.
#[derive(Debug)]
pub(super) struct Near {
    /// How long after the sending of a heartbeat that came back the mirror is believed.
    bound: Duration,
    mirror: RwLock<Mirror>,
}

#[derive(Debug, Default)]
struct Mirror {
    slots: HashMap<Tag, Slot>,
    /// How often everything was dropped.
    drops: u64,
}

/// Stays when what it mirrored is dropped: there are as many as tables.
#[derive(Debug, Default)]
struct Slot {
    drops: Changes,
    mirrored: Option<Mirrored>,
}

#[derive(Debug)]
struct Mirrored {
    generation: Generation,
    session: Arc<Session>,
}

impl Slot {
    fn drop_mirrored(&mut self) {
        self.drops.note();
        self.mirrored = None;
    }
}

/// What was dropped so far of some tags: to be taken before a request is sent.
#[derive(Debug)]
pub(super) struct Observed {
    /// Each tag's drops, and everything's.
    drops: Vec<u64>,
    everything: u64,
    /// Whether every tag is mirrored, so that nothing needs to be tracked anew.
    pub(super) mirrored: bool,
}

impl Near {
    /// To be believed within `bound` of a heartbeat.
    pub(super) fn new(bound: Duration) -> Self {
        Self { bound, mirror: RwLock::default() }
    }

    // Whoever panicked while holding the lock left no half-made state: every change is one assignment.
    fn read(&self) -> RwLockReadGuard<'_, Mirror> {
        self.mirror.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Mirror> {
        self.mirror.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is mirrored of these tags, if all of them are and the mirror may be believed.
    pub(super) fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        let now = Instant::now();
        let mirror = self.read();
        let mut standing = Vec::with_capacity(tags.len());
        let mut sessions: Vec<Arc<Session>> = Vec::new();
        for tag in tags {
            let slot = mirror.slots.get(tag)?;
            let Mirrored { generation, session } = slot.mirrored.as_ref()?;
            if !sessions.iter().any(|known| Arc::ptr_eq(known, session)) {
                session.want_beats();
                if !session.is_fresh(now, self.bound) {
                    return None;
                }
                sessions.push(Arc::clone(session));
            }
            standing.push((*generation, &slot.drops));
        }
        Some(Sight::new(mirror.drops, standing).told_by(sessions, self.bound))
    }

    pub(super) fn observe(&self, tags: &[Tag]) -> Observed {
        let mirror = self.read();
        let slots = || tags.iter().map(|tag| mirror.slots.get(tag));
        Observed {
            drops: slots().map(|slot| slot.map_or(0, |slot| slot.drops.so_far())).collect(),
            everything: mirror.drops,
            mirrored: slots().all(|slot| slot.is_some_and(|slot| slot.mirrored.is_some())),
        }
    }

    /// Takes note of a reply over a session: mirrors what was `tracked` and not dropped since it was observed, and drops what differs from the mirror.
    pub(super) fn confirm(&self, observed: &Observed, tags: &[Tag], labels: &[Label], session: &Arc<Session>, tracked: bool) {
        let has = |slot: Option<&Slot>, label: &Label| {
            let mirrored = slot.and_then(|slot| slot.mirrored.as_ref());
            matches!((mirrored, label), (Some(mirrored), Label::Standing(generation)) if mirrored.generation == *generation)
        };
        let all = |mirror: &Mirror| tags.iter().zip(labels).all(|(tag, label)| has(mirror.slots.get(tag), label));
        // Most of the time all of it is mirrored already.
        if observed.mirrored && all(&self.read()) {
            return;
        }
        let mut mirror = self.write();
        // Under the lock: who ends a session ends it there, before it drops what was mirrored.
        let may_mirror = tracked && observed.everything == mirror.drops && !session.ended.load(SeqCst);
        for ((tag, label), drops) in tags.iter().zip(labels).zip(&observed.drops) {
            if !matches!(label, Label::Standing(_)) && !mirror.slots.contains_key(tag) {
                continue;
            }
            let slot = mirror.slots.entry(tag.clone()).or_default();
            match (&slot.mirrored, label) {
                (Some(mirrored), Label::Standing(generation)) if mirrored.generation == *generation => {}
                (Some(_), _) => slot.drop_mirrored(),
                (None, Label::Standing(generation)) if may_mirror && slot.drops.so_far() == *drops => {
                    slot.mirrored = Some(Mirrored { generation: *generation, session: Arc::clone(session) });
                }
                (None, _) => {}
            }
        }
    }

    /// Drops what is mirrored of these tags, and what is being asked for.
    pub(super) fn drop_tags(&self, tags: &[Tag]) {
        let mut mirror = self.write();
        for tag in tags {
            mirror.slots.entry(tag.clone()).or_default().drop_mirrored();
        }
    }

    /// Everything may have changed.
    pub(super) fn drop_everything(&self) {
        let mut mirror = self.write();
        mirror.drops += 1;
        for slot in mirror.slots.values_mut() {
            slot.drop_mirrored();
        }
    }

    /// What this session mirrored can't be kept true any more, nor can it mirror anything again.
    pub(super) fn end(&self, session: &Session) {
        let mut mirror = self.write();
        session.ended.store(true, SeqCst);
        for slot in mirror.slots.values_mut() {
            if slot.mirrored.as_ref().is_some_and(|mirrored| std::ptr::eq(&raw const *mirrored.session, session)) {
                slot.drop_mirrored();
            }
        }
        session.wake.notify_one();
    }

    /// How many generations are mirrored.
    pub(super) fn mirrored(&self) -> usize {
        self.read().slots.values().filter(|slot| slot.mirrored.is_some()).count()
    }
}

/// One connection's time of tracking. Its server pushes over it what changes of that which was asked for over it.
pub(super) struct Session {
    /// Random, so that no two processes take each other's heartbeats for their own.
    pub(super) id: u64,
    ended: AtomicBool,
    began: Instant,
    /// When the last heartbeat that came back was sent, in nanoseconds after the beginning; 0 for never.
    beat: AtomicU64,
    /// The key and the sending of the heartbeat that is under way.
    under_way: Mutex<Option<(String, u64)>>,
    /// Whether somebody asked for a near hit since the last heartbeat. An idle process sends none.
    wanted: AtomicBool,
    wake: Notify,
    /// A tag whose generation this connection's server keeps.
    anchor: OnceLock<Tag>,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            id: rand::random(),
            ended: AtomicBool::new(false),
            began: Instant::now(),
            beat: AtomicU64::new(0),
            under_way: Mutex::default(),
            wanted: AtomicBool::new(false),
            wake: Notify::new(),
            anchor: OnceLock::new(),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    fn nanos(&self, now: Instant) -> u64 {
        // At least 1: 0 is never.
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    pub(super) fn is_fresh(&self, now: Instant, bound: Duration) -> bool {
        let beat = self.beat.load(SeqCst);
        beat != 0 && self.began + Duration::from_nanos(beat) + bound >= now
    }

    pub(super) fn want_beats(&self) {
        // Most of the time it is wanted already: then the line stays shared among the cores.
        if !self.wanted.load(Relaxed) && !self.wanted.swap(true, SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Something was tracked on this connection: near hits are about to be asked for.
    pub(super) fn tracks(&self, tag: &Tag) {
        self.anchor.get_or_init(|| tag.clone());
        self.want_beats();
    }

    /// Waits until a heartbeat is wanted; gives the tag by whose side it is to be written, or nothing when the session has ended.
    pub(super) async fn wanted(&self) -> Option<&Tag> {
        loop {
            if self.ended.load(SeqCst) {
                return None;
            }
            if let (true, Some(anchor)) = (self.wanted.swap(false, SeqCst), self.anchor.get()) {
                return Some(anchor);
            }
            self.wake.notified().await;
        }
    }

    /// A heartbeat is about to be sent. Its key is its own: what comes back for it can't be the echo of another.
    pub(super) fn sends(&self, key: &str) {
        let sent = self.nanos(Instant::now());
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some((key.to_owned(), sent));
    }

    /// A change of this key was pushed. Whether it was the heartbeat's.
    pub(super) fn came_back(&self, key: &[u8]) -> bool {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match &*under_way {
            Some((beat, sent)) if beat.as_bytes() == key => {
                self.beat.store(*sent, SeqCst);
                *under_way = None;
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::ServerIdentity;
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};
    use std::collections::VecDeque;

    const BOUND: Duration = Duration::from_millis(100);

    type Revoke = fn(&Near, &Arc<Session>);

    fn near() -> Near {
        Near::new(BOUND)
    }

    fn fresh() -> Generation {
        Generation::fresh(ServerIdentity::default())
    }

    fn tags() -> [Tag; 2] {
        [Tag::all(), Tag::table("a")]
    }

    /// A heartbeat that is sent now and comes back at once.
    fn beat(session: &Session) {
        session.sends("beat");
        assert!(session.came_back(b"beat"));
    }

    /// Everything mirrored.
    fn warm(near: &Near, session: &Arc<Session>) -> [Generation; 2] {
        let generations = [fresh(), fresh()];
        let labels = generations.map(Label::Standing);
        let observed = near.observe(&tags());
        near.confirm(&observed, &tags(), &labels, session, true);
        assert_eq!(near.mirrored(), 2);
        beat(session);
        generations
    }

    fn sees(near: &Near) -> bool {
        near.sight(&tags()).is_some()
    }

    #[test]
    fn whatever_revokes_a_generation_ends_what_was_seen_and_what_could_be() {
        let drops: [(&str, Revoke); 4] = [
            ("a push", |near, _| near.drop_tags(&tags()[1..])),
            ("everything", |near, _| near.drop_everything()),
            ("the end of the session", |near, session| near.end(session)),
            ("another label", |near, session| {
                let observed = near.observe(&tags());
                let labels = [Label::Standing(fresh()), Label::Fenced];
                near.confirm(&observed, &tags(), &labels, session, false);
            }),
        ];
        for (name, revoke) in drops {
            let (near, session) = (near(), Arc::new(Session::new()));
            let generations = warm(&near, &session);
            let sight = near.sight(&tags()).unwrap();
            assert!(sight.holds() && sight.generations() == generations, "{name}");
            revoke(&near, &session);
            assert!(!sight.holds() && !sees(&near), "{name}");
        }
    }

    #[test]
    fn what_is_mirrored_again_is_seen_again_and_not_what_was_deleted_by_name() {
        let (near, session) = (near(), Arc::new(Session::new()));
        let labels = warm(&near, &session).map(Label::Standing);
        let first = near.sight(&tags()).unwrap();
        for (revoke, alike) in [(Near::drop_tags as fn(&Near, &[Tag]), true), (|near, _| near.drop_everything(), false)] {
            revoke(&near, &tags());
            let observed = near.observe(&tags());
            near.confirm(&observed, &tags(), &labels, &session, true);
            let again = near.sight(&tags()).unwrap();
            assert!(again.holds() && !first.holds());
            assert_eq!(again.is_like(&first), alike);
        }
    }

    #[test]
    fn a_reply_is_not_mirrored_after_what_revoked_it() {
        let revocations: [Revoke; 3] =
            [|near, _| near.drop_tags(&tags()[1..]), |near, _| near.drop_everything(), |near, session| near.end(session)];
        for revoke in revocations {
            let (near, session) = (near(), Arc::new(Session::new()));
            let labels = [fresh(), fresh()].map(Label::Standing);
            let observed = near.observe(&tags());
            revoke(&near, &session);
            near.confirm(&observed, &tags(), &labels, &session, true);
            beat(&session);
            assert!(!sees(&near));
        }
        let (near, session) = (near(), Arc::new(Session::new()));
        let observed = near.observe(&tags());
        near.confirm(&observed, &tags(), &[fresh(), fresh()].map(Label::Standing), &session, false);
        assert_eq!(near.mirrored(), 0, "nor what is not tracked");
    }

    #[tokio::test(start_paused = true)]
    async fn hits_last_as_long_as_heartbeats_come_back_by_the_time_they_were_sent() {
        let (near, session) = (near(), Arc::new(Session::new()));
        warm(&near, &session);
        let sight = near.sight(&tags()).unwrap();
        tokio::time::advance(Duration::from_millis(99)).await;
        assert!(sees(&near) && sight.holds());
        session.sends("late");
        tokio::time::advance(Duration::from_millis(60)).await;
        assert!(!sees(&near) && !sight.holds());
        assert!(!session.came_back(b"beat"), "the echo of an earlier one");
        assert!(session.came_back(b"late") && sees(&near) && sight.holds());
        tokio::time::advance(Duration::from_millis(41)).await;
        assert!(!sees(&near) && !sight.holds(), "counted from its sending");
    }

    /// A server, and the way between: requests and replies in order, pushes among the replies.
    #[derive(Default)]
    struct World {
        standing: Option<Generation>,
        tracked: bool,
        down: VecDeque<Message>,
    }

    enum Message {
        Reply(Observed, Option<Generation>),
        Push,
    }

    /// What N1 of the model says: a near hit is stale only while the push that revokes it is on its way. Replies are handled late, as tasks may.
    #[test]
    fn no_order_of_replies_and_pushes_leaves_a_stale_mirror() {
        let mut rng = StdRng::seed_from_u64(4);
        let tag = [Tag::table("a")];
        let (mut hits, mut revoked) = (0, 0);
        for _ in 0..3_000 {
            let (near, mut session, mut world) = (near(), Arc::new(Session::new()), World::default());
            let mut sent: VecDeque<Observed> = VecDeque::new();
            let mut waiting: Vec<(Observed, Option<Generation>, Arc<Session>)> = Vec::new();
            for _ in 0..60 {
                match ["send", "execute", "arrive", "handle", "write", "create", "break"].choose(&mut rng).copied() {
                    Some("send") => sent.push_back(near.observe(&tag)),
                    Some("execute") => {
                        if let Some(observed) = sent.pop_front() {
                            world.tracked = true;
                            world.down.push_back(Message::Reply(observed, world.standing));
                        }
                    }
                    Some("arrive") => match world.down.pop_front() {
                        Some(Message::Reply(observed, seen)) => waiting.push((observed, seen, Arc::clone(&session))),
                        Some(Message::Push) => near.drop_tags(&tag),
                        None => {}
                    },
                    Some("handle") if !waiting.is_empty() => {
                        let (observed, seen, over) = waiting.swap_remove(rng.random_range(0..waiting.len()));
                        let label = seen.map_or(Label::Absent, Label::Standing);
                        near.confirm(&observed, &tag, &[label], &over, true);
                    }
                    Some("write") if world.standing.take().is_some() && std::mem::take(&mut world.tracked) => {
                        revoked += 1;
                        world.down.push_back(Message::Push);
                    }
                    Some("create") if world.standing.is_none() => {
                        world.standing = Some(fresh());
                        if std::mem::take(&mut world.tracked) {
                            world.down.push_back(Message::Push);
                        }
                    }
                    Some("break") if rng.random_ratio(1, 10) => {
                        world = World { standing: world.standing, ..World::default() };
                        sent.clear();
                        near.end(&session);
                        session = Arc::new(Session::new());
                    }
                    _ => {}
                }
                let mirrored = near.read().slots.get(&tag[0]).and_then(|slot| slot.mirrored.as_ref().map(|mirrored| mirrored.generation));
                if let Some(mirrored) = mirrored {
                    hits += 1;
                    let on_its_way = world.down.iter().any(|message| matches!(message, Message::Push));
                    assert!(world.standing == Some(mirrored) || on_its_way, "a stale generation is mirrored, and nothing will tell");
                }
            }
        }
        assert!(hits > 3_000 && revoked > 3_000, "{hits} {revoked}");
    }
}
