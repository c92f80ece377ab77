//! The protocol for values that depend on tables, and for whoever reads what belongs at a plain key.

use super::{Boarded, Engine, Following, Found, Permit};
use crate::entry::Cipher;
use crate::stats::Reason;
use crate::store::{Claim, Label, Purpose, StoreError, Whereabouts};
use crate::tag::{Generation, Tag};
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    /// The generations of these tags, made where there were none: to be asked for before that is read which will be stored under them.
    pub(crate) async fn observe(self: &Arc<Self>, tags: &[Tag]) -> Result<Vec<Generation>, Reason> {
        if !self.trusts(tags) {
            self.deliver_on();
            return Err(Reason::Distrusted);
        }
        match self.permit(tags, &vec![Label::Absent; tags.len()]).await {
            Found::Miss(permit) => {
                self.compare(tags, &permit.generations);
                Ok(permit.generations)
            }
            Found::Direct(reason) => Err(reason),
            Found::Hit(_) | Found::Aging(..) | Found::OtherSchema => Err(Reason::Schema),
        }
    }

    /// What stands may be newer than what is mirrored: then nothing may be read from near that will be stored under it.
    fn compare(&self, tags: &[Tag], generations: &[Generation]) {
        for (tag, generation) in tags.iter().zip(generations) {
            let tag = std::slice::from_ref(tag);
            if self.sight(tag).is_some_and(|sight| sight.generations() != [*generation]) {
                self.store.forget_near(tag);
            }
        }
    }

    /// Whether what was made under these generations is still valid. `name` is where it was found.
    pub(crate) async fn stand(self: &Arc<Self>, name: &str, tags: &[Tag], generations: &[Generation]) -> Result<bool, StoreError> {
        if !self.trusts(tags) {
            self.deliver_on();
            return Ok(false);
        }
        if let Some(sight) = self.sight(tags).filter(|sight| sight.holds() && self.may_recall()) {
            return Ok(sight.generations() == generations);
        }
        let labels = self.store.look_up(name, tags).await?.labels;
        Ok(stand(&labels, generations))
    }

    /// Joins whoever reads under this claim and saw the same generations, or opens the flight. Nobody who came after the key was deleted finds that claim there, so nobody joins a
    /// read that began before.
    pub(crate) fn board_claimed(self: &Arc<Self>, name: &str, claim: [u8; 16], seen: &[Generation]) -> Boarded {
        self.board(name, &Permit { generations: under_claim(claim, seen), except: None }, Duration::MAX)
    }

    /// The same, for whoever only joins.
    pub(crate) fn join_claimed(&self, name: &str, claim: [u8; 16], seen: &[Generation]) -> Option<Following> {
        self.join(name, &under_claim(claim, seen))
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        self.store.whereabouts()
    }

    /// What goes to the store is encrypted by, if it is.
    pub(crate) fn cipher(&self) -> Option<Cipher> {
        self.rules.cipher.clone()
    }

    /// Counts and logs an operation of a plain value that failed.
    pub(crate) fn value_failed(&self, operation: &'static str, error: &StoreError) {
        self.failed(operation, error);
    }
}

/// What names a flight under this claim.
fn under_claim(claim: [u8; 16], seen: &[Generation]) -> Vec<Generation> {
    let mut generation = [0; Generation::LEN];
    generation[..claim.len()].copy_from_slice(&claim);
    [Generation(generation)].iter().chain(seen).copied().collect()
}

/// The generations that these labels are, if all of them stand.
pub(crate) fn generations_of(labels: &[Label]) -> Option<Vec<Generation>> {
    Permit::standing(labels, None).map(|permit| permit.generations)
}

/// Whether these generations are what stands.
pub(crate) fn stand(labels: &[Label], generations: &[Generation]) -> bool {
    labels.len() == generations.len() && labels.iter().zip(generations).all(|(label, generation)| *label == Label::Standing(*generation))
}

impl Claim {
    /// A claim of a fresh name.
    pub(crate) fn fresh(purpose: Purpose) -> Self {
        Self { id: rand::random(), purpose }
    }
}
