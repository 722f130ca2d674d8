//! Publishes journals from their files: those of instances that are gone, and
//! those of this one whose compressed copy is not to be had.
//!
//! A journal first sealed as [`SealKind::Alone`] becomes the segment that has its
//! id, whoever publishes it; the name says whether that has happened. All others
//! are merged by a [`Plan`](super::plan::Plan). Both are idempotent, so instances
//! that recover at the same time may at worst do the same work twice.

use super::Store;
use super::place::{Claim, Ready};
use super::plan::{Fate, Plan};
use super::publish::{Care, Lines, PublishError};
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::frame::SealKind;
use crate::journal::name::{Id, JournalFile, JournalName};
use crate::journal::reader::{Survey, survey};
use crate::journal::writer::seal_for_merging;
use crate::limits::{COMPRESSION_ATTEMPTS, MAX_PLAN_JOURNALS, VERIFICATION_ATTEMPTS};
use crate::metrics::FlushReason;

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Journals published and removed.
    pub journals: u32,
    /// Reports published from them.
    pub reports: u64,
    /// Journals moved to `quarantine/`.
    pub quarantined: u32,
}

/// A journal that is being published.
pub(super) struct Member {
    pub(super) name: JournalName,
    pub(super) survey: Survey,
}

impl Member {
    pub(super) fn fate(&self) -> Fate {
        if self.survey.corrupt {
            Fate::Quarantine
        } else {
            Fate::Remove
        }
    }
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// Publishes the journals of all instances but those named, and clears what
    /// they left behind.
    ///
    /// # Errors
    /// Those of the disk; what is not published stays and can be tried again.
    pub async fn recover(&self, alive: &[Id]) -> Result<Recovery, PublishError> {
        let _one_at_a_time = self.publishing.lock().await;
        self.flush_reason.set(FlushReason::Recovery);
        let gone = |instance: Id| instance != self.instance && !alive.contains(&instance);
        let files = self.journal_files().await?;
        for file in &files {
            match file {
                JournalFile::Temporary(name) if gone(name.instance) => self.remove(file).await?,
                JournalFile::Lease => self.remove(file).await?,
                _ => {}
            }
        }
        let orphans = journals(&files).filter(|name| gone(name.instance));
        let recovery = self.settle_these(orphans.collect()).await?;
        self.forget_the_gone().await?;
        Ok(recovery)
    }

    /// Removes attempts and intents whose journal or plan is no more: of two that
    /// publish the same, the slower may write them when all is done.
    pub(super) async fn forget_the_gone(&self) -> DiskResult<()> {
        let (_, plan) = self.outstanding_plan().await?;
        let files = self.journal_files().await?;
        for file in &files {
            if let JournalFile::Attempts(id) | JournalFile::Intent(id) = file
                && plan.as_ref().is_none_or(|plan| plan.id() != *id)
                && !journals(&files).any(|name| name.id == *id)
            {
                self.remove(file).await?;
            }
        }
        Ok(())
    }

    /// Publishes these journals and what an unfinished plan names besides. The
    /// caller holds the lock `publishing`.
    pub(super) async fn settle_these(
        &self,
        mut names: Vec<JournalName>,
    ) -> Result<Recovery, PublishError> {
        names.reverse();
        let mut recovery = Recovery::default();
        loop {
            let (number, plan) = self.outstanding_plan().await?;
            if let Some(plan) = plan {
                self.carry_out(&plan, Some(number), &mut recovery).await?;
                self.finish_plan(number).await?;
                continue;
            }
            let group = self.gather(&mut names, &mut recovery).await?;
            if group.is_empty() {
                return Ok(recovery);
            }
            if !self.propose(number + 1, &group).await? {
                // Another's plan was faster, and need not name these.
                names.extend(group.iter().rev().map(|member| member.name));
            }
        }
    }

    /// Takes journals from the end of `names` until a segment is full: seals what
    /// is open, publishes at once what is to be published alone, and removes what
    /// is empty.
    async fn gather(
        &self,
        names: &mut Vec<JournalName>,
        recovery: &mut Recovery,
    ) -> Result<Vec<Member>, PublishError> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(name) = names.pop() {
            if self.finish_intended(name, recovery).await? {
                continue;
            }
            let Some(member) = self.open_sealed(name).await? else {
                continue;
            };
            if member.survey.is_empty() {
                self.dispose(name, member.fate(), recovery).await?;
                continue;
            }
            if member
                .survey
                .seal
                .is_some_and(|seal| seal.kind == SealKind::Alone)
            {
                let segment = Self::segment_name(name.id, std::slice::from_ref(&member));
                let plan = Plan::alone(segment, name, member.fate());
                self.carry_out(&plan, None, recovery).await?;
                continue;
            }
            bytes += member.survey.bytes;
            group.push(member);
            if bytes >= self.settings.flush_bytes * 3 / 2 || group.len() >= MAX_PLAN_JOURNALS {
                break;
            }
        }
        Ok(group)
    }

    /// A journal nobody can add to any more; `None` if it is gone.
    async fn open_sealed(&self, name: JournalName) -> DiskResult<Option<Member>> {
        let path = JournalFile::Journal(name).to_string();
        let mut file = match self.disk.open(Folder::Journal, &path, true).await {
            Err(DiskError::NotFound) => return Ok(None),
            opened => opened?,
        };
        let mut found = survey(&file, name.id, &self.clock).await?;
        while found.seal.is_none() {
            seal_for_merging(&mut file, name).await?;
            found = survey(&file, name.id, &self.clock).await?;
        }
        Ok(Some(Member {
            name,
            survey: found,
        }))
    }

    /// Publishes a plan's segment and removes its journals. Several instances may
    /// do this at once.
    async fn carry_out(
        &self,
        plan: &Plan,
        number: Option<u64>,
        recovery: &mut Recovery,
    ) -> Result<(), PublishError> {
        if !self.is_published(&plan.segment).await? {
            let members = self.members(plan).await?;
            // A journal that is gone has been published: maybe just now, by the
            // same plan. One that is empty now has lost its power, not its promise:
            // it was not synced.
            let reports = members.iter().any(|member| !member.survey.is_empty());
            let needed = reports && !self.is_published(&plan.segment).await?;
            if needed
                && !self
                    .publish_members(plan, number, &members, recovery)
                    .await?
            {
                return Ok(());
            }
        }
        for (name, fate) in &plan.journals {
            self.dispose(*name, *fate, recovery).await?;
        }
        self.remove(&JournalFile::Attempts(plan.id())).await?;
        self.disk.sync_folder(Folder::Journal).await?;
        Ok(self.remove(&JournalFile::Intent(plan.id())).await?)
    }

    /// Records durably under which name a journal is about to be published alone.
    pub(super) async fn intend(&self, plan: &Plan) -> DiskResult<()> {
        let name = JournalFile::Intent(plan.id());
        if self.intent(&name).await?.as_ref() != Some(plan) {
            self.remove(&name).await?;
        }
        match self.disk.create(Folder::Journal, &name.to_string()).await {
            // Another publishes the same, under the same name.
            Err(DiskError::Exists) => {}
            created => created?.append(plan.format()).await.1?,
        }
        let file = self
            .disk
            .open(Folder::Journal, &name.to_string(), false)
            .await?;
        file.sync().await?;
        self.disk.sync_folder(Folder::Journal).await
    }

    /// The plan in an intent; `None` if there is none, or it is torn.
    async fn intent(&self, name: &JournalFile) -> DiskResult<Option<Plan>> {
        let file = match self
            .disk
            .open(Folder::Journal, &name.to_string(), false)
            .await
        {
            Err(DiskError::NotFound) => return Ok(None),
            opened => opened?,
        };
        let size = usize::try_from(file.size().await?).unwrap_or(usize::MAX);
        Ok(Plan::parse(&read_whole(&file, size).await?))
    }

    /// Removes a journal that was published alone, if it was: its intent says
    /// under which name, even where its seal was lost with the power.
    async fn finish_intended(
        &self,
        journal: JournalName,
        recovery: &mut Recovery,
    ) -> Result<bool, PublishError> {
        let Some(plan) = self.intent(&JournalFile::Intent(journal.id)).await? else {
            return Ok(false);
        };
        let published = self.is_published(&plan.segment).await?;
        if published {
            self.carry_out(&plan, None, recovery).await?;
        }
        Ok(published)
    }

    async fn members(&self, plan: &Plan) -> DiskResult<Vec<Member>> {
        let mut members = Vec::new();
        for (name, _) in &plan.journals {
            members.extend(self.open_sealed(*name).await?);
        }
        Ok(members)
    }

    /// False if the plan turned out to be carried out by another.
    async fn publish_members(
        &self,
        plan: &Plan,
        number: Option<u64>,
        members: &[Member],
        recovery: &mut Recovery,
    ) -> Result<bool, PublishError> {
        let began = self.clock.monotonic();
        let attempt = self.count_attempt(plan.id()).await?;
        let care = if attempt <= COMPRESSION_ATTEMPTS {
            Care::Compress
        } else if attempt <= VERIFICATION_ATTEMPTS {
            Care::Raw
        } else {
            Care::RawUnverified
        };
        if care != Care::Compress {
            log::error!(
                "attempt {attempt} to publish {}: its blocks stay raw",
                plan.segment
            );
        }
        let built = self.build(&Lines::Journals(members), care).await;
        // Only what ends the instance counts, not a disk that refuses.
        self.remove(&JournalFile::Attempts(plan.id())).await?;
        let bytes = built?;
        let claim = match number {
            Some(number) => Claim::Plan(number),
            None => {
                self.intend(plan).await?;
                Claim::Alone(plan)
            }
        };
        let ready = Ready {
            name: &plan.segment,
            bytes: &bytes,
            content_bytes: members.iter().map(|m| m.survey.bytes).sum(),
            began,
        };
        let in_place = self.put_in_place(&ready, claim).await?;
        if in_place {
            recovery.reports += members.iter().map(|m| m.survey.reports).sum::<u64>();
        }
        Ok(in_place)
    }

    /// Counts an attempt that may end the instance, and says which it is, from 1.
    async fn count_attempt(&self, id: Id) -> DiskResult<u64> {
        let name = JournalFile::Attempts(id).to_string();
        let mut file = match self.disk.create(Folder::Journal, &name).await {
            Err(DiskError::Exists) => self.disk.open(Folder::Journal, &name, true).await?,
            created => created?,
        };
        file.append(vec![b'.']).await.1?;
        file.size().await
    }

    /// Removes or quarantines a journal whose reports are published.
    async fn dispose(
        &self,
        name: JournalName,
        fate: Fate,
        recovery: &mut Recovery,
    ) -> DiskResult<()> {
        let file = JournalFile::Journal(name);
        let path = file.to_string();
        let result = match fate {
            Fate::Remove => self.disk.unlink(Folder::Journal, &path).await,
            Fate::Quarantine => {
                let to = (Folder::Quarantine, path.as_str());
                self.disk.rename((Folder::Journal, &path), to).await
            }
        };
        match result {
            Err(DiskError::NotFound) => return Ok(()),
            other => other?,
        }
        recovery.journals += 1;
        if fate == Fate::Quarantine {
            recovery.quarantined += 1;
            self.vitals.borrow_mut().quarantined_journals += 1;
            log::error!("{path} is corrupt: its good frames are published, it is in quarantine/");
            self.disk.sync_folder(Folder::Quarantine).await?;
        }
        Ok(())
    }
}

/// The journals among some files.
pub(super) fn journals(files: &[JournalFile]) -> impl Iterator<Item = JournalName> {
    files.iter().filter_map(|file| match file {
        JournalFile::Journal(name) => Some(*name),
        _ => None,
    })
}

pub(super) async fn read_whole<F: DiskFile>(file: &F, bytes: usize) -> DiskResult<Vec<u8>> {
    let mut whole = Vec::with_capacity(bytes);
    while whole.len() < bytes {
        let more = file
            .read_at(whole.len() as u64, bytes - whole.len())
            .await?;
        if more.is_empty() {
            break;
        }
        whole.extend_from_slice(&more);
    }
    Ok(whole)
}
