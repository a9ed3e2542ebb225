-- what must fail: a model in the warehouse itself
{{ config(enabled=var('write', false), materialized='table', database='warehouse') }}
select 1 as number
