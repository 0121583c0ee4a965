//! Mocks of a service's own repositories.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;

/// The mocks of a mock unit, by the trait that each implements.
#[derive(Default)]
pub struct OwnMocks(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl OwnMocks {
    /// Sets the mock of the repository `R`: `unit.own.set::<dyn NoteRepository>(Box::new(mock))`.
    pub fn set<R: ?Sized + Send + Sync + 'static>(&mut self, mock: Box<R>) {
        self.0.insert(TypeId::of::<R>(), Box::new(mock));
    }

    #[expect(clippy::panic, reason = "as a mock does on an unexpected call; only tests have this feature")]
    pub(crate) fn get<R: ?Sized + Send + Sync + 'static>(&self) -> &R {
        match self.0.get(&TypeId::of::<R>()).and_then(|mock| mock.downcast_ref::<Box<R>>()) {
            Some(mock) => mock,
            None => panic!("the mock unit has no mock of {0}: call `unit.own.set::<{0}>(…)`", type_name::<R>()),
        }
    }
}
