"""Dashboards as code: definitions, and what is made of them for Kibana (`kibana`) and for the local page (`server`)."""
