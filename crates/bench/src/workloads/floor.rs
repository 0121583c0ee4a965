//! The lower bound for our isolation layers: a scoped read by hand-written SQL, on our tables, with the same login.

use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::types::JsonValue;
use sqlx::types::chrono::NaiveDateTime;

use crate::dataset::{request, scatter};
use crate::measure::looped;
use crate::service::Service;
use crate::{Result, settings};

const SELECT: &str = r#"SELECT "id","userId","agencyId","title","description","type","priority"::text,"status"::text,"packageType"::text,"pagesCompleted","blogsCompleted","gbpPostsCompleted","improvementsCompleted","keywords","targetUrl","targetCities","targetModels","completedTasks","contentUrl","pageTitle","completedAt","createdAt","updatedAt","seoworksTaskId","tenantId","deleted","deletedAt" FROM "Request" WHERE "id" = $1 AND NOT "deleted" AND "tenantId" = $2"#;

/// `BEGIN`, role and tenant in one batch, then the read; the transaction is dropped.
pub(crate) async fn dropped_transaction(name: &str, callers: usize) -> Result<()> {
    let tenant = tenant().await?;
    let begin = format!(
        "BEGIN READ ONLY; SELECT set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', '{tenant}', true)"
    );
    let begin: &'static str = begin.leak();
    let pool = pool("").await?;
    looped(name, callers, move |number| {
        let (pool, tenant) = (pool.clone(), tenant.clone());
        async move {
            let id = request(5 * (1 + scatter(number, settings::requests() / 5)))?;
            let mut transaction = pool.begin_with(begin).await?;
            let row = sqlx::query(SELECT).bind(id.as_str()).bind(&tenant).fetch_one(&mut *transaction).await?;
            decode(&row, id.as_str())
        }
    })
    .await
}

/// One statement that sets the tenant before it reads. The connection assumes the database role when it is opened.
pub(crate) async fn gated_statement(name: &str, callers: usize) -> Result<()> {
    let tenant = tenant().await?;
    let sql: &'static str = format!("{SELECT} AND (SELECT set_config('rylie.tenant', $3, true)) IS NOT NULL").leak();
    let pool = pool("SET ROLE rylie_tenant").await?;
    looped(name, callers, move |number| {
        let (pool, tenant) = (pool.clone(), tenant.clone());
        async move {
            let id = request(5 * (1 + scatter(number, settings::requests() / 5)))?;
            let row = sqlx::query(sql).bind(id.as_str()).bind(&tenant).bind(&tenant).fetch_one(&pool).await?;
            decode(&row, id.as_str())
        }
    })
    .await
}

async fn tenant() -> Result<String> {
    let scope = Service::connect().await?.scope(1).await?;
    Ok(scope.tenant().as_str().to_owned())
}

async fn pool(first: &'static str) -> Result<PgPool> {
    let connect: PgConnectOptions = settings::service_url()?.parse()?;
    let options = PgPoolOptions::new().max_connections(settings::connections()).test_before_acquire(false);
    let options = options.after_connect(move |connection, _| {
        Box::pin(async move {
            if !first.is_empty() {
                sqlx::raw_sql(first).execute(connection).await?;
            }
            Ok(())
        })
    });
    Ok(options.connect_with(connect).await?)
}

/// Decodes every column, as a service would.
fn decode(row: &PgRow, id: &str) -> Result<()> {
    for text in [1, 3, 4, 5, 6, 7, 24] {
        row.try_get::<String, _>(text)?;
    }
    for text in [2, 8, 14, 18, 19, 23] {
        row.try_get::<Option<String>, _>(text)?;
    }
    for number in 9..13 {
        row.try_get::<i32, _>(number)?;
    }
    for json in [13, 15, 16, 17] {
        row.try_get::<Option<JsonValue>, _>(json)?;
    }
    for time in [20, 26] {
        row.try_get::<Option<NaiveDateTime>, _>(time)?;
    }
    for time in [21, 22] {
        row.try_get::<NaiveDateTime, _>(time)?;
    }
    row.try_get::<bool, _>(25)?;
    if row.try_get::<&str, _>(0)? == id { Ok(()) } else { Err("the wrong request was read".into()) }
}
