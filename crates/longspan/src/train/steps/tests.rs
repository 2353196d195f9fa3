use std::cell::{Cell, RefCell};

use super::super::Schedule;
use super::*;
use crate::config::Config;
use crate::model::Task;
use crate::random;

/// A test double of data and model. The loss of a sequence is half the squared distance from a target, which is a function
/// of the place.
struct Double {
    weights: Parameters,
    /// F1 of the evaluations, by their number of steps in units of `dev_every`.
    f1: fn(usize) -> f64,
    evaluations: Cell<usize>,
    /// The weights that were kept, in place of the folder of the result.
    kept: RefCell<Option<Parameters>>,
    /// The loss of a step is multiplied by this.
    loss: fn(usize) -> f64,
    keep_fails: Cell<bool>,
}

impl Double {
    fn new(f1: fn(usize) -> f64) -> Self {
        let json = br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":2,"num_attention_heads":2,
            "intermediate_size":6,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let mut weights = Parameters::zeros(&Config::from_json(json).unwrap(), Task::QuestionAnswering);
        weights.values_mut().fill(0.5);
        let (evaluations, kept, keep_fails) = Default::default();
        Self { weights, f1, evaluations, kept, loss: |_| 1.0, keep_fails }
    }
}

/// Inputs: 3, 4, 5 … steps in the epochs, each of one or two passes. One input fails.
struct Data {
    fails: Option<(usize, usize)>,
}

impl Inputs for Data {
    type Pass = (usize, usize);
    type Input = [u64; 2];

    const NONE: &'static str = "nothing to learn from";

    fn epoch(&self, epoch: usize) -> Vec<Vec<(usize, usize)>> {
        (0..3 + epoch).map(|step| (0..1 + step % 2).map(|pass| (epoch, 2 * step + pass)).collect()).collect()
    }

    fn input(&self, &(epoch, pass): &(usize, usize)) -> Result<[u64; 2]> {
        match self.fails {
            Some((e, step)) if e == epoch && step == pass / 2 => Err(Error::EmptyDocument),
            _ => Ok([epoch as u64, pass as u64]),
        }
    }
}

impl Learner for Double {
    type Input = [u64; 2];

    fn parameters(&self) -> &Parameters {
        &self.weights
    }

    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        change(&mut self.weights)
    }

    fn pass(&mut self, at: PassPosition, input: &[u64; 2], gradients: &mut Parameters) -> Result<PassStats> {
        let factor = (self.loss)(at.step);
        let mut loss = 0.0;
        for (i, (w, g)) in self.weights.values().iter().zip(gradients.values_mut()).enumerate() {
            let target =
                random::fraction(at.step as u64, &[input[0], input[1], at.first_sequence as u64, i as u64]) as f32;
            *g += w - target;
            loss += factor * f64::from(0.5 * (w - target).powi(2));
        }
        Ok(PassStats { loss, terms: usize::from(factor != 0.0), sequences: 1, tokens: 10, flop: 100.0 })
    }

    fn evaluate(&self, _weights: &Parameters) -> Result<(f64, DevFigures)> {
        let f1 = (self.f1)(self.evaluations.get());
        self.evaluations.set(self.evaluations.get() + 1);
        Ok((f1, DevFigures::of(&[("exact", Some(f1 / 2.0)), ("f1", Some(f1))])))
    }

    fn keep(&self, weights: &Parameters) -> Result<()> {
        if self.keep_fails.take() {
            return Err(Error::EmptyQuestion);
        }
        *self.kept.borrow_mut() = Some(weights.clone());
        Ok(())
    }
}

/// The steps of the epochs: 3 + 4 + 3, where the last is 2.5 rounded.
fn settings() -> TrainSettings {
    TrainSettings {
        epochs: 2.5,
        dev_every: 3,
        save_every: 2,
        learning_rate: 0.1,
        average_decay: 0.5,
        schedule: Schedule::Cosine,
        ..Default::default()
    }
}

struct Recorded {
    result: Result<RunOutcome>,
    events: Vec<RunEvent>,
}

/// Runs; `stop`: the step after which the caller stops the run.
fn run(
    double: &mut Double,
    data: &Data,
    settings: &TrainSettings,
    dev: bool,
    out: &Path,
    stop: Option<usize>,
) -> Recorded {
    let mut events = Vec::new();
    let identity = state::identity(settings, vec![]);
    let plan = RunPlan { settings, layers: 2, dev, out, resume: true, identity };
    let result = train(plan, data, double, &mut |event| {
        let mut event = event.clone();
        match &mut event {
            RunEvent::Step(report) => report.seconds = 0.0,
            RunEvent::Dev(report) => report.seconds = 0.0,
            RunEvent::Saved { .. } => {}
        }
        events.push(event.clone());
        match event {
            RunEvent::Step(report) if Some(report.step) == stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    Recorded { result, events }
}

const WHOLE: Data = Data { fails: None };

/// F1 of the evaluations: rises, falls, rises.
fn f1(evaluation: usize) -> f64 {
    [50.0, 60.0, 55.0, 58.0][evaluation]
}

#[test]
fn a_run_that_was_killed_or_stopped_gives_the_same_result() {
    for dev in [false, true] {
        let settings = settings();
        let folder = tempfile::tempdir().unwrap();
        let mut whole = Double::new(f1);
        let wanted = run(&mut whole, &WHOLE, &settings, dev, folder.path(), None);
        let outcome = wanted.result.unwrap();
        assert_eq!((outcome.steps, outcome.end), (10, RunEnd::Done));
        assert_eq!(outcome.best.as_ref().map(|best| (best.step, best.score)), dev.then_some((6, 60.0)));
        let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2)];
        for (done, place) in places.into_iter().enumerate() {
            for killed in [true, false] {
                let folder = tempfile::tempdir().unwrap();
                let mut double = Double::new(f1);
                let first = match killed {
                    true => run(&mut double, &Data { fails: Some(place) }, &settings, dev, folder.path(), None),
                    false => run(&mut double, &WHOLE, &settings, dev, folder.path(), Some(done + 1)),
                };
                match first.result {
                    Err(error) => assert!(killed && matches!(error, Error::EmptyDocument), "{error}"),
                    Ok(outcome) => assert_eq!((killed, outcome.end, outcome.steps), (false, RunEnd::Stopped, done + 1)),
                }
                // A new process has only the files. Repeated evaluations give the same figures.
                let mut again = Double::new(f1);
                let identity = state::identity(&settings, vec![]);
                let mut optimizer = Optimizer::new(&settings, 2, &again.weights);
                let mut weights = again.weights.clone();
                let from = state::load(folder.path(), &identity, 10, &mut weights, &mut optimizer).unwrap();
                let from = from.unwrap_or_default();
                assert!(if killed { from.step <= done } else { from.step == done + 1 });
                again.evaluations.set(from.evaluated.div_ceil(3));
                again.kept = RefCell::new(double.kept.take());
                let recorded = run(&mut again, &WHOLE, &settings, dev, folder.path(), None);
                let context = format!("dev {dev}, {done} steps, killed {killed}");
                assert_eq!(recorded.result.unwrap(), outcome, "{context}");
                assert!(again.weights == whole.weights && again.kept == whole.kept, "{context}");
                let steps = |events: &[RunEvent]| {
                    events.iter().filter(|event| matches!(event, RunEvent::Step(_))).cloned().collect::<Vec<_>>()
                };
                assert_eq!(steps(&recorded.events), steps(&wanted.events)[from.step..], "{context}");
            }
        }
    }
}

#[test]
fn events_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = run(&mut Double::new(f1), &WHOLE, &settings(), true, folder.path(), None);
    let short: Vec<String> = (recorded.events.iter())
        .map(|event| match event {
            RunEvent::Step(report) => format!("{} at {:.2}", report.step, report.epoch),
            RunEvent::Dev(report) => {
                format!("dev {}{}", report.figures.get("f1").unwrap(), if report.is_best { " best" } else { "" })
            }
            RunEvent::Saved { step } => format!("saved {step}"),
        })
        .collect();
    let wanted = "1 at 0.33, 2 at 0.67, saved 2, 3 at 1.00, dev 50 best, saved 3, 4 at 1.25, saved 4, 5 at 1.50, \
        6 at 1.75, saved 6, dev 60 best, saved 6, 7 at 2.00, 8 at 2.20, saved 8, 9 at 2.40, dev 55, saved 9, 10 at 2.60, \
        saved 10, dev 58, saved 10";
    assert_eq!(short.join(", "), wanted);
    let RunEvent::Step(report) = &recorded.events[1] else { panic!("{:?}", recorded.events[1]) };
    assert_eq!((report.tokens, report.sequences, report.flop, report.steps), (20, 2, 200.0, 10));
}

#[test]
fn the_best_weights_are_kept_after_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut double = Double::new(f1);
    double.keep_fails.set(true);
    let settings = TrainSettings { epochs: 1.0, save_every: 0, ..settings() };
    let recorded = run(&mut double, &WHOLE, &settings, true, folder.path(), None);
    assert!(matches!(recorded.result, Err(Error::EmptyQuestion)));
    assert!(double.kept.borrow().is_none());
    let mut again = Double::new(|_| unreachable!("it was evaluated"));
    run(&mut again, &WHOLE, &settings, true, folder.path(), None).result.unwrap();
    assert!(again.kept.borrow().is_some() && again.weights == double.weights);
}

#[test]
fn a_run_ends_when_evaluations_stop_improving() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainSettings { patience: 2, dev_every: 1, ..settings() };
    for _ in 0..2 {
        // The second run has nothing left to do.
        let recorded = run(&mut Double::new(f1), &WHOLE, &settings, true, folder.path(), None);
        let outcome = recorded.result.unwrap();
        assert_eq!((outcome.steps, outcome.end), (4, RunEnd::Patience));
        assert_eq!(outcome.best.map(|best| (best.step, best.score)), Some((2, 60.0)));
    }
}

#[test]
fn a_run_that_diverges_stops_before_its_weights_change() {
    let long = TrainSettings { epochs: 8.0, dev_every: 0, save_every: 4, ..settings() };
    for (loss, message, saved) in [
        ((|step| if step < 7 { 1.0 } else { f64::NAN }) as fn(usize) -> f64, "step 7: the loss is NaN", 4),
        (|step| if step < 11 { 1.0 } else { f64::INFINITY }, "step 11: the loss is inf", 8),
        (|step| if step < 10 { 1.0 } else { 9.0 }, "step 29: the loss is ", 8),
        (|step| if step % 20 < 18 { 1.0 } else { 9.0 }, "", 52),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut double = Double::new(f1);
        double.loss = loss;
        let recorded = run(&mut double, &WHOLE, &long, false, folder.path(), None);
        match recorded.result {
            Ok(outcome) => assert_eq!((message, outcome.steps), ("", 52)),
            Err(error) => assert!(error.to_string().contains(message) && !message.is_empty(), "{error}"),
        }
        let mut last = recorded.events.iter().rev().filter_map(|event| match event {
            RunEvent::Saved { step } => Some(*step),
            _ => None,
        });
        assert_eq!(last.next(), Some(saved), "{message}");
    }
}

#[test]
fn a_step_without_loss_terms_has_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mut double = Double { loss: |step| if step == 2 { 0.0 } else { 1.0 }, ..Double::new(f1) };
    let Recorded { result, events } = run(&mut double, &WHOLE, &settings(), false, folder.path(), None);
    assert_eq!(result.unwrap().end, RunEnd::Done);
    for event in events {
        if let RunEvent::Step(StepReport { step, loss, .. }) = event {
            assert_eq!(loss.is_nan(), step == 2, "step {step}: {loss}");
        }
    }
}

#[test]
fn a_run_with_a_number_of_steps_takes_the_epochs_that_it_needs() {
    let taken = |steps: usize, epochs: &[usize]| {
        let settings = TrainSettings { steps, ..settings() };
        steps_of_epochs(&settings, |epoch| epochs.get(epoch).copied().unwrap_or(0)).unwrap()
    };
    assert_eq!(taken(7, &[3, 4, 5]), [(3, 3), (4, 4)]);
    assert_eq!(taken(8, &[3, 4, 5]), [(3, 3), (4, 4), (1, 5)]);
    assert_eq!(taken(2, &[3, 4]), [(2, 3)]);
    assert_eq!(taken(2, &[]), []);
}

#[test]
fn a_run_of_too_many_steps_is_refused() {
    let settings = TrainSettings { epochs: 1e6, ..settings() };
    let message = steps_of_epochs(&settings, |_| 3_000_000).unwrap_err().to_string();
    assert_eq!(message, "epochs 1000000: 12000000 steps in the first 4, a run has 10000000 at most");
    assert_eq!(steps_of_epochs(&settings, |_| 10).unwrap().len(), 1_000_000);
}
