UPDATE "User" SET
    "pagesUsedThisPeriod" = 0,
    "blogsUsedThisPeriod" = 0,
    "gbpPostsUsedThisPeriod" = 0,
    "improvementsUsedThisPeriod" = 0,
    "currentBillingPeriodStart" = "currentBillingPeriodEnd",
    -- The day of the month that periods begin on: a period cut short by a short month does not move it.
    "currentBillingPeriodEnd" =
        strftime('%Y-%m-', "currentBillingPeriodEnd", 'start of month', '+1 month')
        || printf('%02d', min(
               max(CAST(strftime('%d', "currentBillingPeriodStart") AS INTEGER),
                   CAST(strftime('%d', "currentBillingPeriodEnd") AS INTEGER)),
               CAST(strftime('%d', "currentBillingPeriodEnd", 'start of month', '+2 months', '-1 day') AS INTEGER)))
        || substr("currentBillingPeriodEnd", 11),
    "updatedAt" = ?1
WHERE "id" IN (
    SELECT "id" FROM "User"
    WHERE "activePackageType" IS NOT NULL
      AND "currentBillingPeriodStart" IS NOT NULL
      AND "currentBillingPeriodEnd" <= ?1
    ORDER BY "currentBillingPeriodEnd", "id"
    LIMIT ?2
)
