//! Cuts the power at many moments of one recorded run, and has the states judged.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::checker::{Checker, Question};
use super::disk::Disk;
use super::image::Image;
use super::log::{Event, Mark};
use super::progress::Progress;
use super::record::directory;
use super::states::{left, Model};
use crate::common::random::Random;

/// One run that was recorded.
pub struct Run<'a> {
    pub workload: &'a str,
    /// Whether it was a run of plain sled.
    pub raw: bool,
    pub events: &'a [Event],
    /// No cut comes before so many events.
    pub start: usize,
}

/// A cut: after so many events, with a state by this model, chosen by this seed.
type Cut = (usize, Model, u64);

/// A state that is not as it should be.
pub struct Failure {
    pub model: Model,
    pub text: String,
}

impl Run<'_> {
    /// Judges `count` states; answers with the bad ones, the first of which are kept as files.
    pub fn judge(&self, count: usize, seed: u64, scratch: &Path) -> Vec<Failure> {
        self.judge_cuts(self.choose(count, seed), scratch)
    }

    /// Judges every state that does not depend on chance, after each of these moments; answers as
    /// [`Run::judge`] does.
    pub fn judge_each(&self, moments: &[usize], scratch: &Path) -> Vec<Failure> {
        let models = [Model::Strict, Model::Journal, Model::DataFirst, Model::NamesFirst];
        let cuts = moments.iter().flat_map(|moment| models.map(|model| (*moment, model, 0)));
        self.judge_cuts(cuts.collect(), scratch)
    }

    fn judge_cuts(&self, cuts: Vec<Cut>, scratch: &Path) -> Vec<Failure> {
        let mut checker = Checker::new(scratch);
        let mut failures = Vec::new();
        let mut disk = Disk::default();
        let mut progress = Progress::default();
        let mut applied = 0;
        for (number, cut) in cuts.into_iter().enumerate() {
            let (moment, model, seed) = cut;
            for event in &self.events[applied..moment] {
                disk.apply(event);
                progress.note(event);
            }
            applied = moment;
            let image = left(&disk, model, &mut Random::new(seed));
            // sled alone promises nothing but what it has flushed.
            let progress = match model.is_kill() && !self.raw {
                true => progress.of_killed(),
                false => progress,
            };
            let root = scratch.join("state");
            image.write(&root);
            let Self { workload, raw, .. } = *self;
            let thorough = number % 4 == 0;
            let question = Question { root: &root, workload, raw, progress, thorough };
            if let Err(error) = checker.ask(question) {
                let text = self.describe(cut, progress, &image, &error, failures.len());
                failures.push(Failure { model, text });
            }
            fs::remove_dir_all(&root).expect("the state can be removed");
        }
        failures
    }

    /// Which cuts to make, in the order of their moments. A state that does not depend on chance
    /// is not made twice.
    fn choose(&self, count: usize, seed: u64) -> Vec<Cut> {
        let mut random = Random::new(seed);
        let after = |wanted: fn(&Event) -> bool| -> Vec<usize> {
            let events = self.events.iter().enumerate();
            let moments = events.filter(|(_, event)| wanted(event)).map(|(place, _)| place + 1);
            moments.filter(|moment| *moment > self.start).collect()
        };
        let promises = after(|event| matches!(event, Event::Mark(Mark::Durable { .. })));
        let syncs = after(|event| matches!(event, Event::Sync { .. } | Event::SyncData { .. }));
        let names = after(|event| {
            use Event::{CreateDirectory, CreateFile, Remove, Rename, Resize};
            matches!(
                event,
                CreateFile { .. }
                    | CreateDirectory { .. }
                    | Rename { .. }
                    | Remove { .. }
                    | Resize { .. }
            )
        });
        // Rows are in the engine then, and what the log tells of them may not be there yet, or no more.
        let settled = self.settled();
        let mut cuts = BTreeSet::new();
        while cuts.len() < count {
            // The moments at which most can go wrong: when something was just promised, when most
            // is unsynced, and among and soon after changes of names: a log file that was made is
            // then about to come into use, and one that was removed had all its rows settled.
            let moment = match random.below(12) {
                0 | 1 => *random.pick(&promises),
                2 | 3 if !syncs.is_empty() => random.pick(&syncs) - 1,
                4 | 9 if !names.is_empty() => *random.pick(&names),
                10 if !names.is_empty() => {
                    (random.pick(&names) + random.index(12)).min(self.events.len())
                }
                // The first of all is an opening.
                5 | 6 => self.start + random.index((self.events.len() - self.start).min(80)),
                11 if !settled.is_empty() => {
                    (random.pick(&settled) + random.index(4)).min(self.events.len())
                }
                _ => self.start + random.index(self.events.len() - self.start + 1),
            };
            let model = *random.pick(&[
                Model::Strict,
                Model::Journal,
                Model::Everything,
                Model::DataFirst,
                Model::NamesFirst,
                Model::Torn,
                Model::Torn,
                Model::Torn,
                Model::TornJournal,
                Model::TornJournal,
            ]);
            let seed = random.next();
            cuts.insert((moment, model, if model.is_random() { seed } else { 0 }));
        }
        cuts.into_iter().collect()
    }

    /// The moments after the syncs of the engine's log.
    fn settled(&self) -> Vec<usize> {
        let mut logs = BTreeSet::new();
        let mut moments = Vec::new();
        for (place, event) in self.events.iter().enumerate() {
            match event {
                Event::CreateFile { node, name } if name.1 == "db" => drop(logs.insert(*node)),
                Event::Sync { node } | Event::SyncData { node } if logs.contains(node) => {
                    moments.push(place + 1);
                }
                _ => {}
            }
        }
        moments.retain(|moment| *moment > self.start);
        moments
    }

    fn describe(
        &self,
        (moment, model, seed): Cut,
        progress: Progress,
        image: &Image,
        error: &str,
        earlier: usize,
    ) -> String {
        let mut text = format!(
            "{}: {model:?} (seed {seed}) after {moment} of {} events, operations durable and begun \
             {progress}:\n  {error}\n",
            self.workload,
            self.events.len()
        );
        if earlier < 3 && !self.raw {
            let kept = directory().join(format!("{}-{earlier}", self.workload));
            let _ = fs::remove_dir_all(&kept);
            image.write(&kept);
            let _ = writeln!(text, "  kept as {}", kept.display());
        }
        for event in &self.events[moment.saturating_sub(6)..moment] {
            let _ = writeln!(text, "  ... {}", brief(event));
        }
        text
    }
}

/// An event without its data.
fn brief(event: &Event) -> String {
    match event {
        Event::Write { node, offset, data } => {
            format!("write of {} bytes at {offset} to {node}", data.len())
        }
        other => format!("{other:?}"),
    }
}
