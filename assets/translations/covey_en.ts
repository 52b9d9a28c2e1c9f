<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>Conversation</name>
    <message numerus="yes">
        <source>%n connected</source>
        <translation>
            <numerusform>%n connected</numerusform>
            <numerusform>%n connected</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>DeleteSheet</name>
    <message numerus="yes">
        <source>Delete %n message(s)?</source>
        <translation>
            <numerusform>Delete %n message?</numerusform>
            <numerusform>Delete %n messages?</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>DeliveryLedger</name>
    <message numerus="yes">
        <source>%n member(s) not shown</source>
        <translation>
            <numerusform>%n member not shown</numerusform>
            <numerusform>%n members not shown</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Details</name>
    <message numerus="yes">
        <source>used %n time(s)</source>
        <translation>
            <numerusform>used %n time</numerusform>
            <numerusform>used %n times</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>JumpButton</name>
    <message numerus="yes">
        <source>Jump to %n new message(s)</source>
        <translation>
            <numerusform>Jump to %n new message</numerusform>
            <numerusform>Jump to %n new messages</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>NetworkView</name>
    <message numerus="yes">
        <source>Connected to %n device(s)</source>
        <translation>
            <numerusform>Connected to %n device</numerusform>
            <numerusform>Connected to %n devices</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n directly</source>
        <translation>
            <numerusform>%n directly</numerusform>
            <numerusform>%n directly</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n in the same network</source>
        <translation>
            <numerusform>%n in the same network</numerusform>
            <numerusform>%n in the same network</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n through a relay</source>
        <translation>
            <numerusform>%n through a relay</numerusform>
            <numerusform>%n through a relay</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>OverviewPage</name>
    <message numerus="yes">
        <source>%n open</source>
        <translation>
            <numerusform>%n open</numerusform>
            <numerusform>%n open</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n person(s)</source>
        <translation>
            <numerusform>%n person</numerusform>
            <numerusform>%n persons</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n member(s)</source>
        <translation>
            <numerusform>%n member</numerusform>
            <numerusform>%n members</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>PollView</name>
    <message numerus="yes">
        <source>%n vote(s)</source>
        <translation>
            <numerusform>%n vote</numerusform>
            <numerusform>%n votes</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Responses</name>
    <message numerus="yes">
        <source>{0} and %n other(s)</source>
        <translation>
            <numerusform>{0} and %n other</numerusform>
            <numerusform>{0} and %n others</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RoomListModel</name>
    <message numerus="yes">
        <source>%n people are writing</source>
        <translation>
            <numerusform>%n people are writing</numerusform>
            <numerusform>%n people are writing</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RoomPane</name>
    <message numerus="yes">
        <source>People, %n request(s)</source>
        <translation>
            <numerusform>People, %n request</numerusform>
            <numerusform>People, %n requests</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n room(s)</source>
        <translation>
            <numerusform>%n room</numerusform>
            <numerusform>%n rooms</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RoomRow</name>
    <message numerus="yes">
        <source>%n unread message(s)</source>
        <translation>
            <numerusform>%n unread message</numerusform>
            <numerusform>%n unread messages</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n request(s) to join</source>
        <translation>
            <numerusform>%n request to join</numerusform>
            <numerusform>%n requests to join</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n device(s) connected</source>
        <translation>
            <numerusform>%n device connected</numerusform>
            <numerusform>%n devices connected</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>SelectionBar</name>
    <message numerus="yes">
        <source>%n chosen</source>
        <translation>
            <numerusform>%n chosen</numerusform>
            <numerusform>%n chosen</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Typists</name>
    <message numerus="yes">
        <source>%n people are typing</source>
        <translation>
            <numerusform>%n people are typing</numerusform>
            <numerusform>%n people are typing</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>WaitingLine</name>
    <message numerus="yes">
        <source>%n message(s) waiting to be sent</source>
        <translation>
            <numerusform>%n message waiting to be sent</numerusform>
            <numerusform>%n messages waiting to be sent</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>format</name>
    <message numerus="yes">
        <source>%n member(s)</source>
        <translation>
            <numerusform>%n member</numerusform>
            <numerusform>%n members</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n device(s)</source>
        <translation>
            <numerusform>%n device</numerusform>
            <numerusform>%n devices</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>On {0} of %n device(s)</source>
        <translation>
            <numerusform>On {0} of %n device</numerusform>
            <numerusform>On {0} of %n devices</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>On %n device(s)</source>
        <translation>
            <numerusform>On %n device</numerusform>
            <numerusform>On %n devices</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>messages</name>
    <message numerus="yes">
        <source>%n person(s)</source>
        <translation>
            <numerusform>%n person</numerusform>
            <numerusform>%n persons</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>You and %n other(s)</source>
        <translation>
            <numerusform>You and %n other</numerusform>
            <numerusform>You and %n others</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n vote(s)</source>
        <translation>
            <numerusform>%n vote</numerusform>
            <numerusform>%n votes</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n message(s) in thread</source>
        <translation>
            <numerusform>%n message in thread</numerusform>
            <numerusform>%n messages in thread</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>terms</name>
    <message numerus="yes">
        <source>%n year(s)</source>
        <translation>
            <numerusform>%n year</numerusform>
            <numerusform>%n years</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n week(s)</source>
        <translation>
            <numerusform>%n week</numerusform>
            <numerusform>%n weeks</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n day(s)</source>
        <translation>
            <numerusform>%n day</numerusform>
            <numerusform>%n days</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n hour(s)</source>
        <translation>
            <numerusform>%n hour</numerusform>
            <numerusform>%n hours</numerusform>
        </translation>
    </message>
</context>
</TS>
