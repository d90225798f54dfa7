Cwindow.YTD.tweets.part0 = [
  {
    "tweet" : {
      "edit_info" : { "initial" : { "editTweetIds" : [ "1580000000000000001" ], "isEditEligible" : true } },
      "retweeted" : false,
      "source" : "<a href=\"https://mobile.apps.example\" rel=\"nofollow\">Web App</a>",
      "entities" : {
        "hashtags" : [ { "text" : "vote", "indices" : [ "6", "11" ] } ],
        "symbols" : [ ],
        "user_mentions" : [ { "name" : "Bob", "screen_name" : "bob", "indices" : [ "0", "4" ], "id_str" : "8", "id" : "8" } ],
        "urls" : [ { "url" : "https://t.co/aaa", "expanded_url" : "https://news.example/a", "display_url" : "news.example/a", "indices" : [ "12", "35" ] } ]
      },
      "display_text_range" : [ "0", "35" ],
      "favorite_count" : "0",
      "id_str" : "1580000000000000001",
      "in_reply_to_status_id_str" : "1580000000000000000",
      "in_reply_to_user_id" : "8",
      "id" : "1580000000000000001",
      "created_at" : "Wed Oct 12 01:00:00 +0000 2022",
      "full_text" : "@bob #vote https://t.co/aaa",
      "lang" : "en"
    }
  },
  {
    "tweet" : {
      "retweeted" : false,
      "entities" : { "hashtags" : [ ], "urls" : [ ], "user_mentions" : [ { "screen_name" : "carl", "id_str" : "9" } ] },
      "id_str" : "1580000000000000002",
      "id" : "1580000000000000002",
      "created_at" : "Wed Oct 12 01:05:00 +0000 2022",
      "full_text" : "RT @carl: what Carl said"
    }
  },
  { "tweet" : { "id_str" : "1580000000000000003", "full_text" : "no time" } },
  { "like" : { "tweetId" : "1", "fullText" : "a like" } }
]
