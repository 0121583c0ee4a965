//! Calls that may be repeated: one effect, and the same answer for each repetition.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use rylie_entities::idempotency_key::{ActiveModel, Column, Entity};
use rylie_entities::{IdempotencyKey, IdempotencyKeyId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use crate::tx::Tx;
use crate::{Error, Result};

/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The longest answer that is stored, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1_024 * 1_024;

/// How long an answer is stored, unless the caller says otherwise: a day.
pub const ANSWERS_KEPT: Duration = Duration::from_hours(24);

/// Keys of calls that a client may repeat, as after [`Error::OutcomeUnknown`].
///
/// A key belongs to the signed-in user and the tenant of the unit. Key, effect and answer are committed together: a call
/// that failed, was rolled back or whose process was killed leaves nothing, and its repetition runs.
///
/// ```
/// # use rylie_repositories::{Claim, IdempotencyRepository, NewRequest, Result, Store, StoreExt, TenantScope};
/// # use rylie_entities::RequestKind;
/// # async fn example(store: &dyn Store, scope: &TenantScope) -> Result<String> {
/// let unit = store.tenant(scope).await?;
/// match unit.idempotency().claim("key of the client", "POST /requests and a digest of its body").await? {
///     Claim::Answered(answer) => Ok(answer),
///     Claim::New => {
///         let request = unit.requests().add(NewRequest::new("A page", RequestKind::Page)).await?;
///         unit.idempotency().answer("key of the client", request.id.as_str()).await?;
///         unit.commit().await?;
///         Ok(request.id.to_string())
///     }
/// }
/// # }
/// ```
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait IdempotencyRepository: Send + Sync {
    /// Claims the key for the call that `fingerprint` describes, or returns the answer of the first call. A concurrent
    /// call with the same key waits until the first one has ended. One statement for a new key, two for a repetition.
    ///
    /// The fingerprint is a digest of everything that decides the effect. Fails with [`Error::KeyReused`] if the key
    /// was used with another one. It also does if the key has no answer: it was claimed before in this unit, or
    /// committed without one. Fails with [`Error::Invalid`] for an empty key, one of more than
    /// [`MAX_IDEMPOTENCY_KEY_BYTES`], or with control characters. Fails with [`Error::Contention`] if other units keep
    /// claiming and releasing the key.
    async fn claim(&self, key: &str, fingerprint: &str) -> Result<Claim>;

    /// Stores the answer of a call whose key this unit has claimed, for [`ANSWERS_KEPT`]. Call it last, before the
    /// commit. Fails with [`Error::NotFound`] if the key was not claimed, and with [`Error::Invalid`] for more than
    /// [`MAX_ANSWER_BYTES`].
    async fn answer(&self, key: &str, answer: &str) -> Result<()>;
}

/// The result of claiming a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// The call is new: do it, store its answer, and commit.
    New,
    /// The call was done before; this was its answer.
    Answered(String),
}

#[async_trait]
impl IdempotencyRepository for Tx {
    async fn claim(&self, key: &str, fingerprint: &str) -> Result<Claim> {
        let caller = caller(self)?;
        checked(key)?;
        for _ in 0..ATTEMPTS {
            if self.insert_unless_there::<Entity>(row(self, &caller, key, fingerprint)?).await? {
                return Ok(Claim::New);
            }
            let Some(known) = self.rows::<Entity>().filter(of(&caller, key)).one().await? else {
                // It was rolled back or removed in between.
                continue;
            };
            if known.expires > self.now() {
                return answered(known, fingerprint);
            }
            let expired = of(&caller, key).add(Column::Id.eq(&known.id));
            self.delete::<Entity>(expired).await?;
        }
        Err(Error::Contention)
    }

    async fn answer(&self, key: &str, answer: &str) -> Result<()> {
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(Error::Invalid { what: "the answer", reason: "it must have 1,048,576 bytes at most" });
        }
        let set = ActiveModel { answer: Set(Some(answer.to_owned())), ..Default::default() };
        let claimed = of(&caller(self)?, key).add(Column::Answer.is_null());
        self.update_one::<Entity>(set, claimed, "IdempotencyKey").await.map(|_| ())
    }
}

/// Attempts to insert or read a key that other units insert and remove.
const ATTEMPTS: u32 = 5;

fn answered(known: IdempotencyKey, fingerprint: &str) -> Result<Claim> {
    match known.answer {
        _ if known.fingerprint != fingerprint => Err(Error::KeyReused),
        Some(answer) => Ok(Claim::Answered(answer)),
        // Claimed by this unit before, or committed without an answer.
        None => Err(Error::KeyReused),
    }
}

fn row(tx: &Tx, caller: &UserId, key: &str, fingerprint: &str) -> Result<ActiveModel> {
    let tenant = tx.scope().map(|scope| scope.tenant().clone()).ok_or(TENANT_ONLY)?;
    let kept = TimeDelta::from_std(ANSWERS_KEPT).unwrap_or_default();
    Ok(ActiveModel {
        id: Set(IdempotencyKeyId::generate(tx.env())),
        tenant_id: Set(tenant),
        caller_id: Set(caller.clone()),
        key: Set(key.to_owned()),
        fingerprint: Set(fingerprint.to_owned()),
        answer: Set(None),
        expires: Set((tx.env().now() + kept).into()),
        created_at: Set(tx.now()),
    })
}

fn of(caller: &UserId, key: &str) -> Condition {
    Condition::all().add(Column::CallerId.eq(caller)).add(Column::Key.eq(key))
}

const TENANT_ONLY: Error = Error::Invalid { what: "an idempotency key", reason: "it is for tenant units" };

fn caller(tx: &Tx) -> Result<UserId> {
    tx.scope().map(|scope| scope.user().id().clone()).ok_or(TENANT_ONLY)
}

fn checked(key: &str) -> Result<()> {
    let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && !key.contains(char::is_control);
    let reason = "it must have 1 to 255 bytes and no control characters";
    if fits { Ok(()) } else { Err(Error::Invalid { what: "the idempotency key", reason }) }
}
