//! The parts of an OpenAPI document that this crate knows.

use utoipa::openapi::OpenApi;

use crate::problem::Problem;

const COMPONENTS: &str = include_str!("openapi/components.json");

/// Adds the schemas of problems, requests, tasks and pages, and the three security schemes, to a service's document.
/// The service adds its paths, which refer to them: `#/components/schemas/Problem`, `RequestPage`, `NewRequest`.
///
/// A schema of the same name in the document stays.
pub fn add_components(document: &mut OpenApi) -> Result<(), Problem> {
    let components: OpenApi = serde_json::from_str(COMPONENTS).map_err(|error| Problem::internal(&error))?;
    document.merge(components);
    Ok(())
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::{Info, OpenApi, Paths};

    use super::add_components;

    #[test]
    fn the_components_are_in_the_document() {
        let mut document = OpenApi::new(Info::new("A service", "1"), Paths::new());
        add_components(&mut document).unwrap();

        let json = document.to_json().unwrap();
        for name in ["Problem", "RequestPage", "NewRequest", "bearer", "session"] {
            assert!(json.contains(&format!("\"{name}\":")), "{name}");
        }
    }
}
