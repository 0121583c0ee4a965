(
    -- The day of the month that periods begin on: a period cut short by a short month does not move it.
    SELECT next.month + (least(
        CASE WHEN extract(day FROM ended."currentBillingPeriodStart") > extract(day FROM ended."currentBillingPeriodEnd")
                  AND extract(day FROM ended."currentBillingPeriodEnd" + interval '1 day') = 1
             THEN extract(day FROM ended."currentBillingPeriodStart") ELSE extract(day FROM ended."currentBillingPeriodEnd") END::integer,
        extract(day FROM next.month + interval '1 month' - interval '1 day')::integer) - 1) * interval '1 day'
        + (ended."currentBillingPeriodEnd" - date_trunc('day', ended."currentBillingPeriodEnd"))
    FROM (SELECT date_trunc('month', ended."currentBillingPeriodEnd") + interval '1 month' AS month) AS next
)
