"""How csmsd compares with others who serve OCPP 1.6-J, measured on one machine in one sitting. See README.md."""
