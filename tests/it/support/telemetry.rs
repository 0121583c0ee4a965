//! A recorder of metrics and a subscriber to spans, for this thread.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};

/// One value of a counter or a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

#[derive(Default)]
pub(crate) struct Metrics {
    values: Arc<Mutex<Vec<Measured>>>,
    units: Mutex<BTreeMap<String, Unit>>,
}

impl Metrics {
    /// Records this thread's metrics until the guard is dropped.
    pub(crate) fn listen(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    pub(crate) fn of(&self, name: &str) -> Vec<Measured> {
        self.values.lock().unwrap().iter().filter(|measured| measured.name == name).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Measured> {
        self.values.lock().unwrap().clone()
    }

    pub(crate) fn unit(&self, name: &str) -> Option<Unit> {
        self.units.lock().unwrap().get(name).copied()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        self.units.lock().unwrap().extend(unit.map(|unit| (name.as_str().to_owned(), unit)));
    }

    fn measure(&self, key: &Key) -> Measure {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Measure { of: Measured { name: key.name().to_owned(), labels, value: 0.0 }, values: Arc::clone(&self.values) }
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }
    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }
    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.measure(key)))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("nothing was known to be a gauge, but {key}");
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.measure(key)))
    }
}

struct Measure {
    of: Measured,
    values: Arc<Mutex<Vec<Measured>>>,
}

impl CounterFn for Measure {
    fn increment(&self, by: u64) {
        self.record(f64::from(u32::try_from(by).unwrap()));
    }
    fn absolute(&self, _: u64) {
        panic!("counters are incremented");
    }
}

impl HistogramFn for Measure {
    fn record(&self, value: f64) {
        self.values.lock().unwrap().push(Measured { value, ..self.of.clone() });
    }
}

/// A span with its attributes, including those recorded later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reported {
    pub(crate) name: &'static str,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Reported {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// Takes nothing, and keeps every place in the code asking.
struct Indifferent;

/// Makes this thread report to a subscriber until the guard is dropped.
///
/// A place in the code is asked once whether any subscriber is interested. While another thread changes its subscriber,
/// the answer may miss this one. With a subscriber for the whole process the answer is always "ask each time".
pub(crate) fn listen(to: impl tracing::Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Indifferent).unwrap());
    tracing::subscriber::set_default(to)
}

impl tracing::Subscriber for Indifferent {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The spans of this project's crates, by number; the first is 1.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<Reported>>>);

impl Spans {
    /// Records this thread's spans until the guard is dropped.
    pub(crate) fn listen(&self) -> DefaultGuard {
        listen(self.clone())
    }

    pub(crate) fn all(&self) -> Vec<Reported> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, name: &str) -> Vec<Reported> {
        self.all().into_iter().filter(|reported| reported.name == name).collect()
    }

    pub(crate) fn parent_of(&self, reported: &Reported) -> Option<Reported> {
        let number = usize::try_from(reported.parent?).unwrap();
        self.0.lock().unwrap().get(number - 1).cloned()
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        of.is_span() && of.target().starts_with("rylie_")
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut reported = Reported { name: attributes.metadata().name(), ..Reported::default() };
        reported.parent = attributes.parent().map(Id::into_u64);
        attributes.record(&mut reported);
        let mut spans = self.0.lock().unwrap();
        spans.push(reported);
        Id::from_u64(spans.len() as u64)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        let number = usize::try_from(span.into_u64()).unwrap();
        values.record(&mut self.0.lock().unwrap()[number - 1]);
    }
    fn event(&self, _: &tracing::Event<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Reported {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}
