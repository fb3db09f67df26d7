"""What admin keeps in Postgres.

Belongs here: tables, transactions, and one function for each question or change, over IDL messages. Does not belong
here: who may ask (`access`, `rpc`), what is valid (`limosa_model`), or anything about transports.
"""
