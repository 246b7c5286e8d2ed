//! Lists of users page by page: members by id, members with their features, and users by the ids that are given.
//!
//! A page is made at once and held whole, so its size is bounded; whoever wants everybody reads the stream of members.

use std::sync::Arc;

use super::members::{BATCH_IDS, MembersBatch, MembersOf, next_batch};
use super::users::{User, chosen, read};
use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};

/// Ids of a page unless asked for.
const MEMBERS_PAGE: u64 = 1_000;
/// Most ids of a page: what one batch of a stream has at least, so that a page is never cut short.
const MEMBERS_PAGE_MAX: u64 = BATCH_IDS as u64;
/// Users of a page unless asked for.
const USERS_PAGE: u64 = 100;
/// Most users of a page.
const USERS_PAGE_MAX: u64 = 1_000;
/// Generations of a page unless asked for.
const GENERATIONS_PAGE: u64 = 100;
/// Most generations of a page.
const GENERATIONS_PAGE_MAX: u64 = 1_000;
/// Most features of one answer, users times columns.
const FEATURES_MAX: usize = 1_000_000;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    /// At most so many; 0 is as usual.
    pub(crate) size: u64,
    /// Where an earlier page ended.
    pub(crate) token: Option<String>,
}

impl Page {
    pub(super) fn size(&self, usual: u64, most: u64) -> Result<u64> {
        match self.size {
            0 => Ok(usual),
            size if size <= most => Ok(size),
            size => {
                Err(Fault::invalid("page_size", format!("{size} is more than the limit of {most} a page")))
            }
        }
    }
}

/// Users with features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UsersPage {
    /// The users who are there.
    pub(crate) users: Vec<User>,
    /// Those who were asked for and are not.
    pub(crate) unknown: Vec<u64>,
    /// Where to go on.
    pub(crate) next_page_token: Option<String>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// Some of the members of a segment.
    pub(crate) async fn members_page(
        self: &Arc<Self>,
        ask: &Ask,
        segment: Segment<'_>,
        page: Page,
    ) -> Result<MembersBatch> {
        let of = MembersOf { limit: page.size(MEMBERS_PAGE, MEMBERS_PAGE_MAX)?, page_token: page.token };
        let generation = self.generation(ask).await?;
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let origin = Origin::of(&generation, ask);
        self.heavily(ask, move || next_batch(&audience, of.page_token.as_deref(), Some(of.limit), origin))
            .await
    }

    /// Some of the members of a segment, with their features.
    pub(crate) async fn users_page(
        self: &Arc<Self>,
        ask: &Ask,
        segment: Segment<'_>,
        columns: Vec<String>,
        page: Page,
    ) -> Result<UsersPage> {
        let size = page.size(USERS_PAGE, USERS_PAGE_MAX)?;
        let generation = self.generation(ask).await?;
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let origin = Origin::of(&generation, ask);
        let service = Arc::clone(self);
        let work = move || {
            let snapshot = generation.snapshot();
            let chosen = chosen(snapshot.schema(), columns, &service.config.rules)?;
            let batch = next_batch(&audience, page.token.as_deref(), Some(size), origin)?;
            let mut users = Vec::with_capacity(batch.user_ids.len());
            for user_id in batch.user_ids {
                // One who was erased a moment ago is not there any more.
                users.extend(read(snapshot, user_id, &chosen, origin)?);
            }
            Ok(UsersPage { users, unknown: Vec::new(), next_page_token: batch.next_page_token, origin })
        };
        self.heavily(ask, work).await
    }

    /// Users by their ids, with features.
    pub(crate) async fn users(
        self: &Arc<Self>,
        ask: &Ask,
        user_ids: Vec<u64>,
        columns: Vec<String>,
    ) -> Result<UsersPage> {
        self.check_users(user_ids.len())?;
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let service = Arc::clone(self);
        let work = move || {
            let snapshot = generation.snapshot();
            let chosen = chosen(snapshot.schema(), columns, &service.config.rules)?;
            let features = user_ids.len().saturating_mul(chosen.len());
            if features > FEATURES_MAX {
                let what = format!(
                    "{} users with {} columns are {features} features, more than the limit of {FEATURES_MAX} an answer; ask for fewer",
                    user_ids.len(),
                    chosen.len()
                );
                return Err(Fault::invalid("user_ids", what));
            }
            let (mut users, mut unknown) = (Vec::with_capacity(user_ids.len()), Vec::new());
            for user_id in user_ids {
                match read(snapshot, user_id, &chosen, origin)? {
                    Some(user) => users.push(user),
                    None => unknown.push(user_id),
                }
            }
            Ok(UsersPage { users, unknown, next_page_token: None, origin })
        };
        self.heavily(ask, work).await
    }
}

/// The items of a list that ascends by a number: those of one page, and where to go on. The token is the last number.
pub(crate) fn generations_page<T>(
    page: &Page,
    items: Vec<T>,
    number: impl Fn(&T) -> u64,
) -> Result<(Vec<T>, Option<String>)> {
    let size = page.size(GENERATIONS_PAGE, GENERATIONS_PAGE_MAX)? as usize;
    let after = match &page.token {
        None => None,
        Some(token) => Some(token.parse::<u64>().map_err(|_| {
            Fault::invalid("page_token", "it is not one of ours; give next_page_token of the page before")
        })?),
    };
    let mut items: Vec<T> =
        items.into_iter().filter(|item| after.is_none_or(|after| number(item) > after)).collect();
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|last| number(last).to_string());
    Ok((items, next))
}
