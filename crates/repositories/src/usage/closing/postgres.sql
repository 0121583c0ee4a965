WITH ended AS MATERIALIZED (
    SELECT "id", "tenantId", "activePackageType", "currentBillingPeriodStart", "currentBillingPeriodEnd",
           "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod", "improvementsUsedThisPeriod"
    FROM "User"
    WHERE {due}
      AND "id" > $2
    ORDER BY "id"
    LIMIT $3
    {lock}
), archived AS (
    INSERT INTO "MonthlyUsage" ("id", "userId", "tenantId", "month", "year", "packageType",
                                "pagesUsed", "blogsUsed", "gbpPostsUsed", "improvementsUsed", "archivedAt")
    SELECT gen_random_uuid()::text, "id", "tenantId",
           extract(month FROM {archived_under})::integer, extract(year FROM {archived_under})::integer,
           "activePackageType", "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod",
           "improvementsUsedThisPeriod", $1
    FROM ended
    ON CONFLICT ("userId", "month", "year") DO UPDATE SET
        "pagesUsed" = "MonthlyUsage"."pagesUsed" + excluded."pagesUsed",
        "blogsUsed" = "MonthlyUsage"."blogsUsed" + excluded."blogsUsed",
        "gbpPostsUsed" = "MonthlyUsage"."gbpPostsUsed" + excluded."gbpPostsUsed",
        "improvementsUsed" = "MonthlyUsage"."improvementsUsed" + excluded."improvementsUsed",
        "packageType" = excluded."packageType",
        "archivedAt" = excluded."archivedAt"
), next AS (
    UPDATE "User" SET
        "pagesUsedThisPeriod" = 0,
        "blogsUsedThisPeriod" = 0,
        "gbpPostsUsedThisPeriod" = 0,
        "improvementsUsedThisPeriod" = 0,
        "currentBillingPeriodStart" = {next_start},
        "currentBillingPeriodEnd" = {next_end},
        "updatedAt" = $1
    FROM ended
    WHERE "User"."id" = ended."id"
    RETURNING "User"."currentBillingPeriodEnd" <= $1 AS behind
)
SELECT count(*), max("id"), coalesce((SELECT bool_or(behind) FROM next), false) FROM ended
