"""Tables as files hold them: text in any usual form, Parquet, Arrow."""
