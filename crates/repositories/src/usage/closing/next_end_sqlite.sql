-- The day of the month that periods begin on: a period cut short by a short month does not move it.
        strftime('%Y-%m-', "currentBillingPeriodEnd", 'start of month', '+1 month')
        || printf('%02d', min(
               CAST(strftime('%d', CASE
                   WHEN strftime('%d', "currentBillingPeriodStart") > strftime('%d', "currentBillingPeriodEnd")
                        AND strftime('%d', "currentBillingPeriodEnd", '+1 day') = '01'
                   THEN "currentBillingPeriodStart" ELSE "currentBillingPeriodEnd" END) AS INTEGER),
               CAST(strftime('%d', "currentBillingPeriodEnd", 'start of month', '+2 months', '-1 day') AS INTEGER)))
        || substr("currentBillingPeriodEnd", 11)
