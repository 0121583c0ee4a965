//! A service outside the workspace of the library. It depends on the facade alone, and uses each kind of column and
//! relation that the library supports.

pub mod keyword;
pub mod keyword_label;
pub mod label;
pub mod migrations;
pub mod ranking;
mod repository;

use rylie_db::own::*;

pub use repository::{KeywordRepository, Keywords, NewKeyword};

/// The service's own tables, each after those that it refers to.
pub fn schema() -> Schema {
    Schema::new()
        .table::<keyword::Entity>(&migrations::CREATE_KEYWORD)
        .table::<label::Entity>(&migrations::CREATE_LABEL)
        .table::<keyword_label::Entity>(&migrations::CREATE_KEYWORD_LABEL)
        .table::<ranking::Entity>(&migrations::CREATE_RANKING)
        .migration(&migrations::own_m20261201_000005_add_season_to_label::ADD_SEASON_TO_LABEL)
}

/// Returns the texts of a request's keywords with their labels, as a report shows them.
pub async fn lines(unit: &dyn TenantUnit, request: &RequestId) -> Result<Vec<String>> {
    let page = unit.keywords().walk(request, KeysetRequest::first(100)).await?;
    let labels = unit.keywords().labels(&page.items).await?;
    let named = page.items.iter().zip(labels).map(|(keyword, labels)| {
        let names: Vec<_> = labels.into_iter().map(|label| label.name).collect();
        format!("{}: {}", keyword.text, names.join(", "))
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use mockall::predicate::{always, eq};

    use super::*;
    use repository::MockKeywordRepository;
    use rylie_db::entities::SystemEnv;

    fn keyword(text: &str) -> keyword::Model {
        let agency: AgencyId = "agency".parse().unwrap();
        keyword::Model {
            id: "k".parse().unwrap(),
            tenant_id: TenantId::of_agency(&agency),
            request_id: "r".parse().unwrap(),
            parent_id: None,
            author_id: "ann".parse().unwrap(),
            intent: keyword::Intent::Buy,
            former_intent: None,
            budget_cents: 1,
            spellings: Json::Null,
            note: None,
            text: text.to_owned(),
            created_at: SystemEnv.now().into(),
            updated_at: SystemEnv.now().into(),
            deleted: false,
            deleted_at: None,
        }
    }

    #[tokio::test]
    async fn a_line_names_the_keyword_and_its_labels() {
        let mut keywords = MockKeywordRepository::new();
        let request: RequestId = "r".parse().unwrap();
        let page = KeysetPage { items: vec![keyword("shoes")], next: None };
        keywords.expect_walk().with(eq(request.clone()), always()).return_once(|_, _| Ok(page));
        let red = |of: &[keyword::Model]| {
            let tenant_id = of[0].tenant_id.clone();
            let (name, season) = ("red".to_owned(), None);
            Ok(vec![vec![label::Model { id: "l".parse().unwrap(), tenant_id, name, season }]])
        };
        keywords.expect_labels().returning(red);
        let mut unit = MockTenantUnit::default();
        unit.own.set::<dyn KeywordRepository>(Box::new(keywords));

        assert_eq!(lines(&unit, &request).await.unwrap(), ["shoes: red"]);
    }

    #[tokio::test]
    #[should_panic(expected = "KeywordRepository")]
    async fn a_unit_without_the_mock_names_the_trait() {
        let _ = lines(&MockTenantUnit::default(), &"r".parse().unwrap()).await;
    }
}
