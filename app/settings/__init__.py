"""What a super admin decides for everybody: limits, thresholds, retention, alerts."""
