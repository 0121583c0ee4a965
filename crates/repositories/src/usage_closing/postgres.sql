WITH ended AS MATERIALIZED (
    SELECT "id", "tenantId", "activePackageType", "currentBillingPeriodStart", "currentBillingPeriodEnd",
           "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod", "improvementsUsedThisPeriod",
           -- The day of the month that periods begin on: a period cut short by a short month does not move it.
           greatest(extract(day FROM "currentBillingPeriodStart"), extract(day FROM "currentBillingPeriodEnd"))::integer AS anchor,
           date_trunc('month', "currentBillingPeriodEnd") + interval '1 month' AS next_month
    FROM "User"
    WHERE "activePackageType" IS NOT NULL
      AND "currentBillingPeriodStart" IS NOT NULL
      AND "currentBillingPeriodEnd" <= $1
    ORDER BY "currentBillingPeriodEnd", "id"
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), archived AS (
    INSERT INTO "MonthlyUsage" ("id", "userId", "tenantId", "month", "year", "packageType",
                                "pagesUsed", "blogsUsed", "gbpPostsUsed", "improvementsUsed", "archivedAt")
    SELECT gen_random_uuid()::text, "id", "tenantId",
           extract(month FROM "currentBillingPeriodStart")::integer, extract(year FROM "currentBillingPeriodStart")::integer,
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
)
UPDATE "User" SET
    "pagesUsedThisPeriod" = 0,
    "blogsUsedThisPeriod" = 0,
    "gbpPostsUsedThisPeriod" = 0,
    "improvementsUsedThisPeriod" = 0,
    "currentBillingPeriodStart" = ended."currentBillingPeriodEnd",
    "currentBillingPeriodEnd" = ended.next_month
        + (least(ended.anchor, extract(day FROM ended.next_month + interval '1 month' - interval '1 day')::integer) - 1) * interval '1 day'
        + (ended."currentBillingPeriodEnd" - date_trunc('day', ended."currentBillingPeriodEnd")),
    "updatedAt" = $1
FROM ended
WHERE "User"."id" = ended."id"
