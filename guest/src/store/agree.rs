//! How instances agree on one plan at a time: plans as files. See [`plan`](super::plan).

use super::Store;
use super::plan::Plan;
use super::settle::{Member, read_whole};
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::JournalFile;

impl<D: Disk, C: Clock> Store<D, C> {
    /// The highest number a plan has, and that plan if it is not carried out.
    pub(super) async fn outstanding_plan(&self) -> DiskResult<(u64, Option<Plan>)> {
        loop {
            let files = self.journal_files().await?;
            let number = plan_numbers(&files).max().unwrap_or(0);
            if number == 0 || files.contains(&JournalFile::PlanDone(number)) {
                return Ok((number, None));
            }
            let path = JournalFile::Plan(number).to_string();
            let file = match self.disk.open(Folder::Journal, &path, false).await {
                Err(DiskError::NotFound) => continue,
                opened => opened?,
            };
            let size = usize::try_from(file.size().await?).unwrap_or(usize::MAX);
            let text = read_whole(&file, size).await?;
            if let Some(plan) = Plan::parse(&text) {
                return Ok((number, Some(plan)));
            }
            log::error!("{path} is corrupt: it is in quarantine/, its journals are planned anew");
            let to = (Folder::Quarantine, path.as_str());
            match self.disk.rename((Folder::Journal, &path), to).await {
                Ok(()) | Err(DiskError::NotFound) => {}
                Err(error) => return Err(error),
            }
            self.finish_plan(number).await?;
        }
    }

    /// Makes a plan of these journals. False if another was faster.
    pub(super) async fn propose(&self, number: u64, group: &[Member]) -> DiskResult<bool> {
        let temporary = self.new_name();
        let plan = Plan {
            segment: Self::segment_name(temporary.id, group),
            journals: group.iter().map(|m| (m.name, m.fate())).collect(),
        };
        let temporary = JournalFile::Temporary(temporary);
        let linked = self.link_plan(&plan, &temporary.to_string(), number).await;
        self.clear_away(temporary).await;
        let ours = match linked {
            Err(DiskError::Exists) => false,
            linked => linked.map(|()| true)?,
        };
        self.disk.sync_folder(Folder::Journal).await?;
        self.remove_plans_before(number).await?;
        Ok(ours)
    }

    async fn link_plan(&self, plan: &Plan, temporary: &str, number: u64) -> DiskResult<()> {
        let mut file = self.disk.create(Folder::Journal, temporary).await?;
        file.append(plan.format()).await.1?;
        file.sync().await?;
        let name = JournalFile::Plan(number).to_string();
        let (from, to) = (
            (Folder::Journal, temporary),
            (Folder::Journal, name.as_str()),
        );
        self.disk.link(from, to).await
    }

    /// Marks a plan as carried out. Its journals are gone, durably.
    pub(super) async fn finish_plan(&self, number: u64) -> DiskResult<()> {
        let path = JournalFile::PlanDone(number).to_string();
        match self.disk.create(Folder::Journal, &path).await {
            Ok(_) | Err(DiskError::Exists) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn remove_plans_before(&self, number: u64) -> DiskResult<()> {
        for file in self.journal_files().await? {
            match file {
                JournalFile::Plan(old) | JournalFile::PlanDone(old) if old < number => {
                    self.remove(&file).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Leaves no plan behind at a clean stop. Only a host may call this, for it
    /// knows that no instance still follows an old plan.
    pub(super) async fn clear_finished_plans(&self) -> DiskResult<()> {
        let files = self.journal_files().await?;
        let last = plan_numbers(&files).max().unwrap_or(0);
        if !files.contains(&JournalFile::PlanDone(last)) {
            return Ok(());
        }
        self.remove_plans_before(last).await?;
        self.remove(&JournalFile::Plan(last)).await?;
        self.remove(&JournalFile::PlanDone(last)).await
    }
}

fn plan_numbers(files: &[JournalFile]) -> impl Iterator<Item = u64> {
    files.iter().filter_map(|file| match file {
        JournalFile::Plan(number) | JournalFile::PlanDone(number) => Some(*number),
        _ => None,
    })
}
