"""OCPP 1.6 Smart Charging: charging profiles, what they add up to, and limits that stations share."""
